/** Counts what a page holds on to, after its garbage has been collected: what grows there leaks. */
import type { CDPSession, Page } from "playwright-core";

export interface Live {
  readonly workers: number;
  /** Event listeners of the page, its elements and its scripts' own. */
  readonly listeners: number;
  readonly nodes: number;
  readonly webglContexts: number;
  readonly canvases: number;
  readonly abortSignals: number;
  /** Bytes of JavaScript's heap. */
  readonly heap: number;
}

export async function countLive(page: Page): Promise<Live> {
  const session = await page.context().newCDPSession(page);
  try {
    await page.waitForTimeout(500); // figures that were being drawn, a worker that is still ending
    await session.send("Performance.enable");
    for (let i = 0; i < 3; i++) await session.send("HeapProfiler.collectGarbage"); // finalizers free more
    const { metrics } = await session.send("Performance.getMetrics");
    const metric = (name: string) => metrics.find((one) => one.name === name)?.value ?? Number.NaN;
    return {
      workers: page.workers().length,
      listeners: metric("JSEventListeners"),
      nodes: metric("Nodes"),
      webglContexts: await countObjects(session, "WebGL2RenderingContext"),
      canvases: await countObjects(session, "HTMLCanvasElement"),
      abortSignals: await countObjects(session, "AbortSignal"),
      heap: metric("JSHeapUsedSize"),
    };
  } finally {
    await session.detach();
  }
}

/** @param name of a class that the page knows */
async function countObjects(session: CDPSession, name: string): Promise<number> {
  const objectGroup = "counting";
  const { result } = await session.send("Runtime.evaluate", { expression: `${name}.prototype`, objectGroup });
  const { objects } = await session.send("Runtime.queryObjects", {
    prototypeObjectId: result.objectId ?? "",
    objectGroup,
  });
  const { result: length } = await session.send("Runtime.callFunctionOn", {
    objectId: objects.objectId,
    functionDeclaration: "function () { return this.length; }",
  } as Parameters<typeof session.send<"Runtime.callFunctionOn">>[1]);
  await session.send("Runtime.releaseObjectGroup", { objectGroup });
  return length.value;
}
