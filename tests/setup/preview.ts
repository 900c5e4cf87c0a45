/** Serves a built folder the way `npm start` does, on a free port. */
import { preview } from "vite";

export async function servePage(folder = "dist"): Promise<{ url: string; close(): Promise<void> }> {
  const server = await preview({ logLevel: "error", build: { outDir: folder }, preview: { port: 0 } });
  const address = server.httpServer.address();
  if (address === null || typeof address === "string") throw new Error("The preview server has no port.");
  return { url: `http://127.0.0.1:${address.port}/`, close: () => server.close() };
}
