/**
 * Starts the headless Chromium of the browser tests and the bench: software graphics unless told, its own profile,
 * nothing that calls home.
 */
import { type BrowserContext, chromium, type Page } from "playwright-core";
import { ensureChromium } from "./chromium.mjs";

/** ms. Only to end a test that hangs: a busy machine may take half a minute to open a world. */
const PATIENCE_MS = 120_000;

const QUIET = [
  "--no-sandbox", // tests run as root in containers
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
/** WebGL on the CPU, no WebGPU. */
const SOFTWARE_GL = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--disable-gpu-watchdog"];
/** WebGPU on the CPU: for correctness only. */
const SOFTWARE_WEBGPU = [
  "--enable-unsafe-webgpu",
  "--enable-features=Vulkan",
  "--use-webgpu-adapter=swiftshader",
  "--use-vulkan=swiftshader",
  "--enable-unsafe-swiftshader",
];

/** Two cameras of moving pictures, and everything that a page asks for allowed. */
const FAKE_CAMERA = ["--use-fake-device-for-media-stream=device-count=2", "--use-fake-ui-for-media-stream"];

const GRAPHICS = { webgl: SOFTWARE_GL, webgpu: SOFTWARE_WEBGPU, own: [] };

/**
 * @param graphics "own": what Chromium does by itself on this machine; absent: "webgl"
 * @param camera "fake": one that gives moving pictures to whoever asks; absent: what the machine has
 * @param serviceWorkers "allow": the page keeps itself for offline use; absent: no page is served from an earlier visit
 * @param profile folder of the browser's profile, kept between two launches; absent: a fresh one, removed on close
 */
export async function launchBrowser(
  options: {
    readonly graphics?: keyof typeof GRAPHICS;
    readonly camera?: "fake";
    readonly profile?: string;
    readonly serviceWorkers?: "allow" | "block";
  } = {},
): Promise<BrowserContext> {
  const browser = await chromium.launchPersistentContext(options.profile ?? "", {
    executablePath: ensureChromium(),
    headless: true,
    serviceWorkers: options.serviceWorkers ?? "block",
    viewport: { width: 1280, height: 800 },
    args: [...QUIET, ...(options.camera ? FAKE_CAMERA : []), ...GRAPHICS[options.graphics ?? "webgl"]],
  });
  browser.setDefaultTimeout(PATIENCE_MS);
  return browser;
}

/** What the page said on its console and its uncaught errors, for the message of a failed test. */
export function consoleOf(page: Page): string[] {
  const lines: string[] = [];
  page.on("console", (message) => lines.push(`${message.type()}: ${message.text()}`));
  page.on("pageerror", (error) => lines.push(`uncaught: ${error.message}`));
  return lines;
}
