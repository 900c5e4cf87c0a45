import { expect, it, vi } from "vitest";
import { createGuideFeed, type GuideSource, type OpenGuide } from "./guide-feed";

const NOTHING = Uint8Array.of(128);

/** A source whose pictures a test puts in. */
function source() {
  let picture: Uint8Array | undefined;
  let isNew = false;
  const close = vi.fn();
  const run = vi.fn();
  const next: GuideSource["next"] = (again) => {
    const given = isNew || again ? picture : undefined;
    isNew = false;
    return given;
  };
  return {
    close,
    run,
    open: (async () => ({ next, close, run })) satisfies OpenGuide,
    put(value: number) {
      picture = Uint8Array.of(value);
      isNew = true;
    },
  };
}

function setUp() {
  const ends: string[] = [];
  const feed = createGuideFeed({
    nothing: NOTHING,
    onChange: () => undefined,
    onEnd: (name, { message }) => ends.push(`${name}: ${message}`),
  });
  return { feed, ends };
}

it("hands over what is new, and once more what the world may have forgotten", async () => {
  const { feed } = setUp();
  const camera = source();
  await feed.choose("camera", camera.open);
  expect(feed.take()).toBeUndefined(); // not a picture yet
  camera.put(1);
  expect(feed.take()).toEqual(Uint8Array.of(1));
  expect(feed.take()).toBeUndefined();
  feed.resend();
  expect(feed.take()).toEqual(Uint8Array.of(1));
  expect(feed.take()).toBeUndefined();
});

it("lets go of a source before it opens another, and takes a guide back when there is none", async () => {
  const { feed } = setUp();
  expect(feed.take()).toBeUndefined();
  const [camera, film] = [source(), source()];
  await feed.choose("camera", camera.open);
  camera.put(1);
  feed.take();
  await feed.choose("film", film.open);
  expect(camera.close).toHaveBeenCalledTimes(1);
  feed.run(false);
  expect(film.run.mock.calls).toEqual([[true], [false]]);
  await feed.choose(null);
  expect(film.close).toHaveBeenCalledTimes(1);
  expect(feed.name).toBeNull();
  expect(feed.take()).toBe(NOTHING);
  expect(feed.take()).toBeUndefined();
});

it("closes a source that opens after another was chosen", async () => {
  const { feed, ends } = setUp();
  const late = source();
  let allow: (source: GuideSource) => void = () => undefined;
  const asked = feed.choose("camera", () => new Promise((resolve) => (allow = resolve)));
  expect(feed.name).toBe("camera");
  await feed.choose(null);
  allow(await late.open());
  await asked;
  expect(late.close).toHaveBeenCalledTimes(1);
  expect(feed.name).toBeNull();
  expect(ends).toEqual([]);
});

it("goes back to none where a source is refused or ends, and says so once", async () => {
  const { feed, ends } = setUp();
  await feed.choose("camera", async () => Promise.reject(new Error("refused")));
  expect(feed.name).toBeNull();
  const shared = source();
  let end: (why: Error) => void = () => undefined;
  await feed.choose("screen", async (ended) => {
    end = ended;
    return shared.open();
  });
  expect(feed.name).toBe("screen");
  end(new Error("ended"));
  end(new Error("ended"));
  expect(shared.close).toHaveBeenCalledTimes(1);
  expect(ends).toEqual(["camera: refused", "screen: ended"]);
  expect(feed.name).toBeNull();
});
