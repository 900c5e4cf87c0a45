/** A host of elsewhere that answers everything with one package. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll } from "vitest";

/** To be called before `usePages`: it is shut last. @returns the package's address, once the tests run */
export function usePackageHost(zip: Uint8Array, name: string): { readonly address: string } {
  let address = "";
  const host = createServer((_, response) => {
    response.setHeader("Access-Control-Allow-Origin", "*");
    response.end(zip);
  });
  beforeAll(async () => {
    await new Promise<void>((listening) => host.listen(0, "127.0.0.1", listening));
    address = `http://127.0.0.1:${(host.address() as AddressInfo).port}/${name}.zip`;
  });
  afterAll(() => {
    host.closeAllConnections();
    host.close();
  });
  return {
    get address() {
      return address;
    },
  };
}
