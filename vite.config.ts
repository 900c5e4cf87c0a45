/** Builds and serves the page. What runs in the browser is bundled: nothing comes from a CDN. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { type Connect, defaultClientConditions, defineConfig, type Plugin, type Rolldown } from "vite";
import { serviceWorker } from "./vite/service-worker.ts";
import { worldFiles } from "./vite/world-files.ts";

/**
 * WASM threads need a cross-origin isolated page. On a host that doesn't send these two headers everything runs on one
 * thread until the service worker adds them, from the second visit on.
 */
const isolation = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
};

/**
 * What the page and its workers may do: run our own scripts and WASM, and talk to `connect`. Blobs are the
 * threads of our own engine, which inherit this, and clips and pictures on their way to a download.
 */
const policyFor = (connect: string) =>
  [
    "default-src 'none'",
    "script-src 'self' 'wasm-unsafe-eval'",
    "worker-src 'self' blob:",
    "style-src 'self'",
    "img-src 'self' blob: data:",
    "media-src blob:",
    `connect-src ${connect}`,
    "manifest-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");

/**
 * The page fetches worlds from elsewhere, when a person agrees to it; what it fetches is data, whatever it says it is. Parts
 * of a model in a glTF file are addresses of their own, `data:`.
 */
const policy = policyFor("'self' https: http://localhost:* http://127.0.0.1:* data:");
/** The worker that runs their graphs has no need to. */
const workerPolicy = policyFor("'self'");

/** In the built page, for any static host; a worker obeys the headers of its own script, so a host had better send it too. */
function contentSecurityPolicy(): Plugin {
  return {
    name: "worldloop:content-security-policy",
    apply: "build", // in development styles are put into the page as text
    transformIndexHtml: () => [
      {
        tag: "meta",
        attrs: { "http-equiv": "Content-Security-Policy", content: policy },
        injectTo: "head-prepend",
      },
    ],
  };
}

/** Of the public folder, what only training reads. */
function leaveOutBase(): Plugin {
  return {
    name: "worldloop:leave-out-base",
    apply: "build",
    writeBundle: ({ dir }) => rmSync(join(dir ?? "dist", "base"), { recursive: true, force: true }),
  };
}

/** Built files carry a hash of their content in their name: a browser may keep them for ever. Each gets its policy. */
function serveBuiltFiles(): Plugin {
  const handler: Connect.NextHandleFunction = (request, response, next) => {
    const url = request.url ?? "";
    if (url.startsWith("/assets/")) response.setHeader("Cache-Control", "public, max-age=31536000, immutable");
    response.setHeader("Content-Security-Policy", url.startsWith("/assets/model.worker-") ? workerPolicy : policy);
    next();
  };
  return {
    name: "worldloop:serve-built-files",
    configurePreviewServer(server) {
      server.middlewares.use(handler);
    },
  };
}

/** What the page and its workers are served with. */
const headers = { ...isolation, "Content-Security-Policy": policy };

/** A plain host may not know that .mjs is a script. */
const output: Rolldown.OutputOptions = {
  assetFileNames: ({ names }) => `assets/[name]-[hash]${names[0]?.endsWith(".mjs") ? ".js" : "[extname]"}`,
};

export default defineConfig({
  base: "./", // may be hosted in any folder
  appType: "mpa", // a missing file is a 404, not the page
  publicDir: "assets",
  // onnxruntime-web without its WASM glue inlined: threads then start from the glue's own file, never from our worker's.
  resolve: { conditions: ["onnxruntime-web-use-extern-wasm", ...defaultClientConditions] },
  optimizeDeps: { exclude: ["onnxruntime-web"] },
  plugins: [
    contentSecurityPolicy(),
    worldFiles(),
    leaveOutBase(),
    serveBuiltFiles(),
    serviceWorker({ page: headers, worker: { ...isolation, "Content-Security-Policy": workerPolicy } }),
  ],
  worker: { format: "es", rolldownOptions: { output } },
  build: {
    target: "es2022",
    reportCompressedSize: false,
    chunkSizeWarningLimit: 1500,
    rolldownOptions: { output },
  },
  server: {
    host: "127.0.0.1",
    headers: isolation,
    // What tests, training and Python write is no source of the page: it would be watched, and reload it.
    watch: {
      ignored: [".venv", ".data", ".cache", "test-results", "training", "docs/dist"].map((name) => `**/${name}/**`),
    },
  },
  preview: {
    host: "127.0.0.1",
    port: 4173,
    strictPort: false,
    headers: isolation, // `serveBuiltFiles` adds each file's policy
  },
});
