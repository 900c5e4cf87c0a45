/** The site: what is on it, in which order, and how it looks for things. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { defineConfig } from "vitepress";
import { focusDrawings, rewriteLinks, unheadEmptyCells } from "./markdown.ts";
import { excluded, ROOT, rewrites } from "./pages.ts";

const decisions = readdirSync(join(ROOT, "docs/decisions")).map((file) => ({
  text: file.replace(/^0*(\d+)-(.*)\.md$/, (_, number, title: string) => `${number}. ${title.replaceAll("-", " ")}`),
  link: `/decisions/${file}`,
}));
const worlds = readdirSync(join(ROOT, "assets/worlds")).map((name) => ({ text: name, link: `/worlds/${name}` }));
const modules = ["world", "worker-client", "node-runtime", "manifest", "errors"];

export default defineConfig({
  title: "Worldloop",
  description: "Play in worlds that a neural network dreams, frame by frame, on your own machine.",
  base: "./", // may be hosted in any folder
  srcDir: "..",
  outDir: "dist",
  cacheDir: "../.cache/vitepress",
  rewrites: { ...rewrites, "docs/:path(.*)": ":path" },
  srcExclude: excluded,
  lastUpdated: false,
  vite: { publicDir: join(ROOT, ".cache/docs"), build: { chunkSizeWarningLimit: 2000, reportCompressedSize: false } },
  markdown: {
    config: (markdown) => {
      rewriteLinks(markdown);
      unheadEmptyCells(markdown);
      focusDrawings(markdown);
    },
    linkify: false,
    theme: { light: "github-light-high-contrast", dark: "github-dark" },
  },
  transformHead: ({ page }) => [
    ["link", { rel: "icon", href: `${"../".repeat(page.split("/").length - 1)}play/icons/worldloop.svg` }],
  ],
  themeConfig: {
    search: {
      provider: "local",
      options: {
        // The training log is a diary: its every word would drown the pages that answer.
        _render: (source, env, markdown) => (/log\.md$/i.test(env.relativePath) ? "" : markdown.render(source, env)),
        miniSearch: { searchOptions: { fuzzy: 0.1, prefix: true, combineWith: "AND" } },
      },
    },
    outline: [2, 3],
    nav: [
      { text: "Tour", link: "/tour" },
      { text: "Tutorials", link: "/tutorials/own-world" },
      { text: "Reference", link: "/reference/cli" },
      { text: "Benchmarks", link: "/benchmarks" },
    ],
    sidebar: [
      {
        text: "Begin",
        items: [
          { text: "Tour", link: "/tour" },
          { text: "Tutorial: your own world", link: "/tutorials/own-world" },
          { text: "Tutorial: play, record, train", link: "/tutorials/play-record-train" },
          { text: "Tutorial: your own policy", link: "/tutorials/own-policy" },
          { text: "Tutorial: direct a story", link: "/tutorials/direct" },
          { text: "Tutorial: host it", link: "/tutorials/host" },
        ],
      },
      {
        text: "How it works",
        items: [
          { text: "The model, in pictures", link: "/how-it-works" },
          { text: "One tick", link: "/tick" },
          { text: "Our own engine", link: "/engine" },
          { text: "Training", link: "/training" },
          { text: "How a world is judged", link: "/evaluation" },
          { text: "Benchmarks", link: "/benchmarks" },
          { text: "Decisions", collapsed: true, items: decisions },
          { text: "Training log", link: "/log" },
        ],
      },
      {
        text: "Guides",
        items: [
          { text: "The timeline", link: "/timeline" },
          { text: "Where a picture came from", link: "/provenance" },
          { text: "Offline, and any host", link: "/offline" },
          { text: "Bring your own world", link: "/own-world" },
          { text: "Collect data", link: "/collecting" },
          { text: "Worlds over a socket", link: "/serve" },
          { text: "Gymnasium environments", link: "/python" },
          { text: "A policy for PushT", link: "/examples/push-t-policy" },
          { text: "Contributing", link: "/contributing" },
        ],
      },
      {
        text: "Reference",
        items: [
          { text: "Command line", link: "/reference/cli" },
          { text: "The world package", link: "/package-format" },
          { text: "Fields of world.json", link: "/reference/manifest" },
          { text: "Python API", link: "/reference/python" },
          {
            text: "TypeScript API",
            link: "/reference/typescript/",
            collapsed: true,
            items: modules.map((name) => ({ text: name, link: `/reference/typescript/${pageName(name)}` })),
          },
          { text: "Cards of the worlds", collapsed: true, items: worlds },
        ],
      },
    ],
    footer: { message: "MIT licence" },
  },
});

function pageName(module: string): string {
  return module === "errors" ? "errors" : `model.${module}`;
}
