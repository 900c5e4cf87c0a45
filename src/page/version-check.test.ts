import { expect, it } from "vitest";
import { sha256Hex } from "../model/hash";
import { createVersionCheck } from "./version-check";

const hashOf = (text: string) => sha256Hex(new TextEncoder().encode(text));

/** A host with one file, and what it was asked. */
function host(tags: boolean) {
  const state = { text: "old", status: 200, tags };
  const asked: string[] = [];
  const ask = async (_: unknown, { method = "GET" }: RequestInit = {}) => {
    asked.push(method);
    const headers = state.tags ? { ETag: `"${state.text}"` } : {};
    return new Response(method === "HEAD" || state.status !== 200 ? null : state.text, {
      status: state.status,
      headers,
    });
  };
  return { state, asked, ask: ask as typeof fetch };
}

it("reads the manifest again only where its headers have changed", async () => {
  const { state, asked, ask } = host(true);
  const check = createVersionCheck("http://a/world.json", await hashOf("old"), ask);
  for (let i = 0; i < 3; i++) expect(await check.newer()).toBeUndefined();
  expect(asked).toEqual(["HEAD", "GET", "HEAD", "HEAD"]);
  state.text = "new";
  for (let i = 0; i < 2; i++) expect(await check.newer()).toBe(await hashOf("new"));
  expect(asked.slice(4)).toEqual(["HEAD", "GET", "HEAD"]);
  state.text = "old"; // taken back
  expect(await check.newer()).toBeUndefined();
});

it("reads it every time where the host tells nothing of it", async () => {
  const { state, asked, ask } = host(false);
  const check = createVersionCheck("http://a/world.json", await hashOf("old"), ask);
  expect(await check.newer()).toBeUndefined();
  state.text = "new";
  expect(await check.newer()).toBe(await hashOf("new"));
  expect(asked).toEqual(["HEAD", "GET", "HEAD", "GET"]);
});

it("takes a file that is away for a moment for no version at all", async () => {
  const { state, asked, ask } = host(true);
  const check = createVersionCheck("http://a/world.json", await hashOf("old"), ask);
  state.status = 404;
  expect(await check.newer()).toBeUndefined();
  Object.assign(state, { status: 200, text: "new" });
  expect(await check.newer()).toBe(await hashOf("new"));
  expect(asked).toEqual(["HEAD", "HEAD", "GET"]);
});
