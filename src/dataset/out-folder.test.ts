/** Output folders that can't be written, or not where they seem to be. What the commands make of it: `cli.test.ts`. */
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { writeFolder } from "./out-folder";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "worldloop-out-"));
});
afterAll(() => rm(folder, { recursive: true }));

const fill = async (temporary: string) => {
  await mkdir(join(temporary, "data"));
  await writeFile(join(temporary, "data/a.txt"), "a");
};

test("an empty folder on another file system is filled", async (context) => {
  const elsewhere = await mkdtemp("/dev/shm/worldloop-out-").catch(() => null);
  if (elsewhere === null) return context.skip("needs a second file system");
  try {
    if ((await stat(elsewhere)).dev === (await stat(folder)).dev) return context.skip("needs a second file system");
    await symlink(elsewhere, join(folder, "link"));
    await writeFolder(join(folder, "link"), false, fill);
    expect(await readFile(join(elsewhere, "data/a.txt"), "utf8")).toBe("a");
    expect(await readdir(elsewhere)).toEqual(["data"]);
  } finally {
    await rm(elsewhere, { recursive: true });
  }
});

test("what fails leaves no folder of its own, and every folder that was there", async () => {
  const full = () => Promise.reject(Object.assign(new Error("ENOSPC: …"), { code: "ENOSPC", syscall: "write" }));
  const refused = { name: "OutputError", message: /^--out .*: expected a place to write to, .* got a full disk; / };
  await expect(writeFolder(join(folder, "new/er/est"), false, full)).rejects.toMatchObject(refused);
  expect(await readdir(folder)).not.toContain("new");
  await mkdir(join(folder, "there"));
  await expect(writeFolder(join(folder, "there"), false, full)).rejects.toMatchObject(refused);
  expect(await readdir(join(folder, "there"))).toEqual([]);
  const fault = new Error("a fault of ours");
  await expect(writeFolder(join(folder, "new"), false, () => Promise.reject(fault))).rejects.toBe(fault);
});

test("a place that can't be written is told before the work", async () => {
  await symlink(join(folder, "nowhere/at/all"), join(folder, "dangling"));
  await writeFile(join(folder, "file"), "");
  const never = () => Promise.reject(new Error("expected no work"));
  for (const out of [join(folder, "dangling"), join(folder, "file"), join(folder, "file/in"), "/proc/worldloop/out"]) {
    await expect(writeFolder(out, true, never)).rejects.toMatchObject({ name: "OutputError" });
  }
});

test("a path that leads back to a full folder is one", async () => {
  await writeFile(join(folder, "notes.txt"), "mine");
  await expect(writeFolder(`${folder}/none/..`, false, fill)).rejects.toThrow("expected an empty or new folder");
});
