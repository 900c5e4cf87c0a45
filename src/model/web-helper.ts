/** A further thread of our own engine in a browser: a worker of a few lines. Needs a cross-origin isolated page. */
import { HELPER_SCRIPT, type Helper } from "../engine/threads";

export function webHelper(): Helper {
  const address = URL.createObjectURL(new Blob([HELPER_SCRIPT], { type: "text/javascript" }));
  const worker = new Worker(address);
  return {
    start: (message) =>
      new Promise((resolve, reject) => {
        worker.onerror = (event) => reject(new Error(event.message));
        worker.onmessage = () => {
          URL.revokeObjectURL(address);
          resolve();
        };
        worker.postMessage(message);
      }),
    end: () => worker.terminate(),
  };
}
