import { expect, it } from "vitest";
import { checkAddress } from "./package-address";

it.each([
  "https://example.org/w.zip",
  "http://localhost:8000/w/",
  "http://127.0.0.1/w.zip",
  "http://[::1]:8000/w.zip",
  "http://LOCALHOST/w.zip",
  "http://[0:0:0:0:0:0:0:1]/w.zip", // another spelling of ::1
])("may ask %s", (address) => {
  expect(checkAddress(address).href).toBe(new URL(address).href);
});

it.each([
  "http://[::2]/w.zip",
  "http://localhost.example.org/w.zip",
  "http://127.0.0.1.example.org/w.zip",
  "http://0.0.0.0/w.zip",
  "http://192.168.0.1/w.zip",
  "ws://localhost/w.zip",
])("may not ask %s: somebody on the way could change what comes", (address) => {
  expect(() => checkAddress(address)).toThrow(expect.objectContaining({ name: "AddressError" }));
});
