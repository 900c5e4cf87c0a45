/**
 * Pages for the tests of one file: a browser for all of them, each test's pages closed after it, and what the newest page
 * said printed where a test fails.
 */
import type { BrowserContext, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, inject } from "vitest";
import { consoleOf, launchBrowser } from "./browser";

export interface Pages {
  readonly browser: BrowserContext;
  /** Of the newest page. */
  readonly said: readonly string[];
  /** @param prepare what has to be done before the page loads */
  visit(url: string, prepare?: (page: Page) => Promise<unknown>): Promise<Page>;
  /** The built page. @param address what follows its folder */
  open(address: string, prepare?: (page: Page) => Promise<unknown>): Promise<Page>;
}

/** To be called at the top of a file of tests. @param options as `launchBrowser` has them */
export function usePages(options: Parameters<typeof launchBrowser>[0] = {}): Pages {
  let browser: BrowserContext;
  let said: string[] = [];
  beforeAll(async () => {
    browser = await launchBrowser(options);
  });
  afterAll(() => browser.close());
  afterEach(async ({ task }) => {
    if (task.result?.state === "fail") console.log(said.join("\n"));
    for (const page of browser.pages()) await page.close();
  });
  const visit: Pages["visit"] = async (url, prepare) => {
    const page = await browser.newPage();
    said = consoleOf(page);
    await prepare?.(page);
    await page.goto(url);
    return page;
  };
  return {
    get browser() {
      return browser;
    },
    get said() {
      return said;
    },
    visit,
    open: (address, prepare) => visit(inject("pages").built + address, prepare),
  };
}
