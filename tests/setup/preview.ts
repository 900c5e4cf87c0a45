/** Serves a built folder on a free port. */
import { type InlineConfig, preview } from "vite";

interface Served {
  /** Ends in a slash. */
  readonly url: string;
  close(): Promise<void>;
}

/** The way `npm start` does, with the page's policies. */
export const servePage = (folder = "dist"): Promise<Served> => serve({ build: { outDir: folder } });

/** As any static host does. */
export const servePlainly = (folder: string): Promise<Served> =>
  serve({ configFile: false, appType: "mpa", build: { outDir: folder } });

async function serve(config: InlineConfig): Promise<Served> {
  const server = await preview({ logLevel: "error", ...config, preview: { host: "127.0.0.1", port: 0 } });
  const address = server.httpServer.address();
  if (address === null || typeof address === "string") throw new Error("The preview server has no port.");
  return { url: `http://127.0.0.1:${address.port}/`, close: () => server.close() };
}
