/** The last seconds of tick times as a line, under the line of the budget that a tick has. Loaded after the first frame. */
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

const SHOWN = 150; // ticks: six seconds at 25 a second

/** @param signal removes it, with its listeners on the window. @returns a function that shows the newest tick times (ms) */
export function createSparkline(
  box: HTMLElement,
  budgetMs: number,
  signal: AbortSignal,
): (tickMs: readonly number[]) => void {
  const style = getComputedStyle(box);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  const plot = new uPlot(
    {
      width: box.clientWidth || 200,
      height: 44,
      legend: { show: false },
      cursor: { show: false },
      axes: [{ show: false }, { show: false }],
      scales: { x: { time: false }, y: { range: (_plot, _min, max) => [0, Math.max(budgetMs * 1.4, max)] } },
      series: [
        {},
        { label: "tick", stroke: colour("--accent"), width: 1.5, points: { show: false } },
        { label: "budget", stroke: colour("--muted"), width: 1, dash: [3, 3], points: { show: false } },
      ],
    },
    [[], [], []],
    box,
  );
  signal.addEventListener("abort", () => plot.destroy());
  return (tickMs) => {
    const newest = tickMs.slice(-SHOWN);
    plot.setData([newest.map((_, i) => i), newest, newest.map(() => budgetMs)]);
  };
}
