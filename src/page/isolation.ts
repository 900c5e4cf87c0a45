/** Whether several threads may share memory on this page, and thanks to whom: what About and the settings say of it. */

/** One sentence. */
export function isolationSentence(): string {
  if (crossOriginIsolated) {
    return isolatedByServiceWorker()
      ? "Isolated by this page's service worker, since its host sends no headers for that: several threads may run."
      : "Isolated by the headers of its host: several threads may run.";
  }
  if (!("serviceWorker" in navigator)) return "Not isolated, and no service worker can help here: one thread runs.";
  return "Not isolated yet: one thread runs. From the next visit on the service worker isolates the page.";
}

/** The service worker says so in the answer that it gave for the page. */
function isolatedByServiceWorker(): boolean {
  const [navigation] = performance.getEntriesByType("navigation") as PerformanceNavigationTiming[];
  return navigation?.serverTiming.some(({ name }) => name === "isolation") ?? false;
}
