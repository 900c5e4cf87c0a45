/**
 * What makes the page start, and its worlds play, without a network: registers the service worker, has the open world
 * kept, and says when a new version of the page is there. All of it after the first frame, so that nobody waits for it.
 */
import type { WorkerWorld } from "../model/worker-client";
import { notify } from "./notices";

const UPDATE_CHECK_MS = 3_600_000;

/** How it stands with offline use here, in words. */
export const OFFLINE = {
  ready: "This page starts without a network, and a world that has been played once plays without one.",
  off: "In development nothing is kept for offline use.",
  unsupported:
    "This browser keeps nothing for offline use here: that needs https (or localhost), and no private window.",
  failed: "This page couldn't be kept for offline use: the browser gave it no room, or its files were being replaced.",
};
export type OfflineState = keyof typeof OFFLINE;

let registering: Promise<OfflineState> | undefined;

/** Of this page, once it is known. */
export const offlineState = (): Promise<OfflineState> => {
  registering ??= register();
  return registering;
};

/** Chromium's offer to install the page; other browsers have it in their menus. */
interface InstallOffer extends Event {
  prompt(): Promise<unknown>;
}
let offer: InstallOffer | undefined;
window.addEventListener("beforeinstallprompt", (event) => {
  event.preventDefault(); // it is made where somebody looks for it: in the settings
  offer = event as InstallOffer;
});
window.addEventListener("appinstalled", () => {
  offer = undefined;
});

/** Asks the person whether to install the page; undefined where the browser doesn't offer it now. */
export const installOffer = (): (() => Promise<unknown>) | undefined =>
  offer && (() => (offer as InstallOffer).prompt());

/** Keeps the page, and a world that plays in it. */
export async function keepOffline(world?: Pick<WorkerWorld, "keep" | "manifest">): Promise<void> {
  const state = await offlineState();
  if (state === "failed") notify({ title: "Not kept for offline use", content: [OFFLINE.failed] });
  if (state !== "ready") return;
  try {
    await keepWhatWasFetched((await world?.keep()) ?? []);
  } catch (error) {
    const { name, message } = error as Error;
    if (name === "StorageError") notify({ title: "Not kept for offline use", content: [message] });
    else console.info(`${world?.manifest.title ?? "The page"} isn't kept for offline use: ${message}`); // closed, or the network is gone
  }
}

async function register(): Promise<OfflineState> {
  const { serviceWorker } = navigator as { serviceWorker?: ServiceWorkerContainer };
  if (!serviceWorker) return "unsupported";
  if (import.meta.env.DEV) {
    const own = await serviceWorker.getRegistration(document.baseURI); // of a built page that was served here
    await own?.unregister();
    return "off";
  }
  serviceWorker.addEventListener("message", ({ data }) => announceVersion(data?.worldloopVersion));
  try {
    const registration = await serviceWorker.register(new URL("service-worker.js", document.baseURI), {
      updateViaCache: "none",
    });
    if (!registration) return "off"; // a tool around the browser has switched it off
    if (!(await isActive(registration))) return "failed";
    checkForUpdates(registration);
    return "ready";
  } catch (error) {
    console.info(`This page can't be kept for offline use: ${(error as Error).message}`);
    return "unsupported";
  }
}

/** Resolves when the first one controls the page; to false when it can't keep the page's files. */
async function isActive(registration: ServiceWorkerRegistration): Promise<boolean> {
  if (registration.active && navigator.serviceWorker.controller) return true;
  const worker = registration.installing ?? registration.waiting ?? registration.active;
  return new Promise((resolve) => {
    navigator.serviceWorker.addEventListener("controllerchange", () => resolve(true), { once: true });
    worker?.addEventListener("statechange", () => {
      if (worker.state === "redundant") resolve(registration.active !== null);
      if (worker.state === "activated" && navigator.serviceWorker.controller) resolve(true);
    });
    if (registration.active && !registration.installing) resolve(true); // a reload past the service worker
  });
}

function checkForUpdates(registration: ServiceWorkerRegistration): void {
  const check = () => {
    if (!document.hidden && navigator.onLine)
      registration.update().catch((error: Error) => console.info(error.message));
  };
  setInterval(check, UPDATE_CHECK_MS);
  document.addEventListener("visibilitychange", check);
}

/** The page goes on as it is until the person reloads it: its files are found by their hash. */
function announceVersion(version: unknown): void {
  const own = document.querySelector<HTMLMetaElement>('meta[name="worldloop-version"]')?.content;
  if (typeof version !== "string" || version === own) return;
  notify({
    title: "A new version is there",
    content: ["It starts when you reload the page. What you play now goes on until then."],
    remedies: [{ label: "Reload the page", run: () => location.reload() }],
  });
}

const isPackageFile = (address: string) => address.includes("?sha256=") && !/\.(webp|png|jpg|avif)\?/.test(address);

/** What was fetched before there was a service worker, from the browser's own cache: it keeps what it sees. */
async function keepWhatWasFetched(byWorker: readonly string[]): Promise<void> {
  const byPage = performance.getEntriesByType("resource").map(({ name }) => name);
  const folder = new URL(".", document.baseURI).href;
  const fetched = new Set(
    [...byPage, ...byWorker].filter((address) => address.startsWith(folder) && !isPackageFile(address)),
  );
  await Promise.allSettled([...fetched].map((address) => fetch(address)));
}
