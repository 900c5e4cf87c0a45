import { expect, it } from "vitest";
import { waysOut } from "./remedies";

const PAGE = "http://localhost/app/";
const ways = (name: string, rest = "") =>
  waysOut({ name }, PAGE + rest).map(({ label, href }) => `${label}: ${href.slice(PAGE.length)}`);

it("never keeps the part of the address that failed", () => {
  expect(ways("BackendError", "?engine=fast#seed=7")).toEqual([
    "Use whatever runs here: ?engine=auto#seed=7",
    "Use WASM: ?backend=wasm#seed=7",
  ]);
  expect(ways("BackendError", "?backend=wasm&threads=0")[1]).toBe("Use WASM: ?backend=wasm");
  expect(ways("UnsupportedGraphError", "?engine=own&precision=int8")[0]).toBe("Use onnxruntime: ?engine=ort");
  expect(ways("RecordingError", "?engine=own#world=pong&seed=x&replay=damaged")).toEqual([
    "Begin afresh: ?engine=own#world=pong",
  ]);
  expect(ways("ResetError", "#start=99")).toEqual(["Begin afresh: "]);
  const foreign = `#package=w.zip&sha256=${"ab".repeat(32)}`;
  expect(ways("ResetError", `${foreign}&start=99`)).toEqual([`Begin afresh: ${foreign}`]);
  expect(ways("RecordingError", "#package=w.zip&sha256=damaged")).toEqual(["Begin afresh: "]);
  expect(ways("AddressError", "#package=http://example.org/w.zip")).toEqual(["See all worlds: "]);
  expect(ways("UnknownWorldError", "#world=nowhere")).toEqual(["See all worlds: "]);
});

it("never offers the address that has just failed, but where it may work the next time", () => {
  expect(ways("BackendError", "?backend=wasm")).toEqual(["Use whatever runs here: ?engine=auto"]);
  expect(ways("BackendError")).toEqual(["Use WASM: ?backend=wasm"]);
  expect(ways("UnsupportedGraphError", "?engine=ort")).toEqual(["Use WASM: ?backend=wasm"]);
  expect(ways("MissingFileError")).toEqual(["Try again: "]);
  expect(ways("UnknownWorldError")).toEqual(["Try again: "]); // the list of worlds wasn't there
  expect(ways("FileMismatchError", "#world=pong")).toEqual(["Try again: #world=pong", "See all worlds: "]);
});
