/** `collect --watch`: who is let in, what is shown, in a socket and in a real browser. */
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { WebSocket } from "ws";
import { WORLD, worldloop } from "../../../tests/setup/collect";
import { openWatch, type Watch } from "./watch";

const picture = { width: 2, height: 1 };
const shown = { player: 17, episode: 3, tick: 4, rgb: Uint8Array.of(1, 2, 3, 4, 5, 6) };

let watch: Watch;
beforeAll(async () => {
  watch = await openWatch({ world: "Tiny", policy: "random", frames: 9, picture });
});
afterAll(() => watch.close());

const socketOf = (url: string) => new URL("ws", url.replace(/^http/, "ws"));

/** The messages that come first. */
async function firstMessages(url: string, count: number, headers: Record<string, string> = {}) {
  const socket = new WebSocket(socketOf(url), { headers });
  const messages: (string | Buffer)[] = [];
  await new Promise<void>((resolve, reject) => {
    socket.on("error", reject);
    socket.on("unexpected-response", (_, response) => reject(new Error(`status ${response.statusCode}`)));
    socket.on("message", (data: Buffer, isBinary) => {
      messages.push(isBinary ? data : data.toString());
      if (messages.length === count) resolve();
    });
  });
  return { socket, messages };
}

test("a visitor hears what is played, and the newest picture of each world", async () => {
  watch.show({ ...shown, tick: 3 });
  watch.show(shown);
  const { socket, messages } = await firstMessages(watch.url, 2);
  expect(JSON.parse(messages[0] as string)).toEqual({ world: "Tiny", policy: "random", frames: 9 });
  const frame = messages[1] as Buffer;
  const end = 4 + frame.readUInt32LE(0);
  expect(JSON.parse(frame.subarray(4, end).toString())).toEqual({ world: 1, episode: 3, tick: 4, ...picture });
  expect([...frame.subarray(end)]).toEqual([...shown.rgb]);
  const next = once(socket, "message");
  watch.show({ ...shown, player: 18 });
  const [later] = (await next) as [Buffer];
  expect(later.toString("latin1")).toContain('"world":2');
  socket.send("hello");
  expect((await once(socket, "close"))[0]).toBe(1008);
});

test("only the printed address, under this machine's name, from this page, is let in", async () => {
  const { host, origin } = new URL(watch.url);
  const page = await fetch(watch.url);
  expect(page.status).toBe(200);
  expect(page.headers.get("content-security-policy")).toContain("default-src 'none'");
  expect(await page.text()).toContain('src="watch-page.js"');
  expect((await fetch(new URL("watch-page.js", watch.url))).status).toBe(200);
  for (const path of ["/", "/wrong/", `${new URL(watch.url).pathname}../x`]) {
    expect((await fetch(`${origin}${path}`)).status).toBe(401);
  }
  expect((await fetch(new URL("passwd", watch.url))).status).toBe(404);
  expect((await fetch(watch.url, { method: "POST" })).status).toBe(404);
  expect((await fetch(watch.url, { headers: { origin: "http://evil.example" } })).status).toBe(403);
  await expect(firstMessages(`${origin}/wrong/`, 1)).rejects.toThrow("status 401");
  await expect(firstMessages(watch.url, 1, { host: "evil.example" })).rejects.toThrow("status 403");
  await expect(firstMessages(watch.url, 1, { origin: "http://evil.example" })).rejects.toThrow("status 403");
  const visitors = await Promise.all(Array.from({ length: 8 }, () => firstMessages(watch.url, 1, { host, origin })));
  await expect(firstMessages(watch.url, 1)).rejects.toThrow("status 503");
  for (const { socket } of visitors) socket.close();
  await Promise.all(visitors.map(({ socket }) => once(socket, "close")));
});

test("collect --watch prints an address that shows the episodes under way", async () => {
  const folder = await mkdtemp(join(tmpdir(), "worldloop-watch-"));
  try {
    const stop = new AbortController();
    const options = ["--world", WORLD, "--episodes", "100000", "--frames", "20", "--workers", "1", "--watch"];
    let url = "";
    const running = worldloop(["collect", ...options, "--out", join(folder, "out")], stop.signal, (text) => {
      url ||= /watch it at (\S+)\n/.exec(text)?.[1] ?? "";
    });
    await expect.poll(() => url, { timeout: 30_000 }).not.toBe("");
    const { socket, messages } = await firstMessages(url, 3);
    expect(JSON.parse(messages[0] as string)).toMatchObject({ policy: "random", frames: 20 });
    expect((messages[2] as Buffer).toString("latin1")).toMatch(
      /"world":1,"episode":\d+,"tick":\d+,"width":16,"height":16/,
    );
    const left = once(socket, "close");
    stop.abort();
    expect(await running).toMatchObject({ code: 130 });
    expect((await left)[0]).toBe(1001);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("frames of other machines can't be watched", async () => {
  const out = ["--episodes", "1", "--frames", "2", "--out", join(tmpdir(), "worldloop-never")];
  const result = await worldloop(["collect", "--world", WORLD, "--executor", "bullmq", "--watch", ...out]);
  expect(result).toMatchObject({ code: 2 });
  expect(result.stderr).toContain("--watch: expected --executor pool");
});
