/** The guide over the picture that was painted after it, as far as a line that is moved: before | after. */
import { rgbaOf } from "../model/rgb";
import { element, make } from "./elements";
import type { Session } from "./session";

export interface Split {
  /** @param rgb uint8 [height, width, 3] */
  show(rgb: Uint8Array): void;
  setShown(shown: boolean): void;
}

export function createSplit({ world, settings, signal }: Session): Split {
  const size = world.manifest.picture;
  const view = element("view", HTMLCanvasElement);
  const before = make("canvas", { ...size, role: "img", ariaLabel: "Before: the guide" });
  const line = make("div", { role: "slider", tabIndex: 0, ariaLabel: "Line between before and after" });
  const box = make("div", { id: "split", hidden: true }, before, line);
  line.ariaValueMin = "0";
  line.ariaValueMax = "100";
  view.after(box);

  let at = 50; // % of the width, from the left
  const put = (value: number) => {
    at = Math.min(100, Math.max(0, value));
    box.style.setProperty("--at", `${at}%`);
    line.ariaValueNow = String(Math.round(at));
    line.ariaValueText = `${Math.round(at)} % before, ${100 - Math.round(at)} % after`;
  };
  put(at);

  line.onkeydown = (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const steps: Partial<Record<string, number>> = {
      ...{ ArrowLeft: at - 2, ArrowDown: at - 2, ArrowRight: at + 2, ArrowUp: at + 2 },
      ...{ PageDown: at - 10, PageUp: at + 10, Home: 0, End: 100 },
    };
    const to = steps[event.code];
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation(); // or the arrows would drive
    put(to);
  };
  line.onpointerdown = ({ pointerId }) => line.setPointerCapture(pointerId);
  line.onpointermove = ({ pointerId, clientX }) => {
    const { left, width } = box.getBoundingClientRect();
    if (line.hasPointerCapture(pointerId)) put((100 * (clientX - left)) / width);
  };

  const lieOver = new ResizeObserver(() => {
    box.style.width = view.style.width;
    box.style.height = view.style.height;
  });
  lieOver.observe(view);
  signal.addEventListener("abort", () => lieOver.disconnect());
  settings.subscribe(({ filter }) => {
    before.style.imageRendering = filter === "smooth" ? "auto" : "pixelated";
  });
  const context = before.getContext("2d");
  return {
    show: (rgb) => context?.putImageData(new ImageData(rgbaOf(rgb), size.width, size.height), 0, 0),
    setShown(shown) {
      box.hidden = !shown;
    },
  };
}
