/**
 * What can be done about an error that kept a world from opening: other addresses to go to. What the address itself got
 * wrong is never tried again as it stands, and no address is offered that would keep the part that failed.
 */
export interface Way {
  readonly label: string;
  readonly href: string;
}

/** @param href the page's address. The same one among the ways means: load it again. */
export function waysOut({ name }: Pick<Error, "name">, href: string): Way[] {
  const here = new URL(href);
  const hash = new URLSearchParams(here.hash.slice(1));
  const to = (search: string, hash: string) => new URL(`${here.pathname}${search}${hash}`, here).href;
  const ways: Way[] = [];
  if (name === "BackendError" || name === "UnsupportedGraphError") {
    if (name === "UnsupportedGraphError") ways.push({ label: "Use onnxruntime", href: to("?engine=ort", here.hash) });
    else if (here.search) ways.push({ label: "Use whatever runs here", href: to("?engine=auto", here.hash) });
    ways.push({ label: "Use WASM", href: to("?backend=wasm", here.hash) });
    return ways.filter((way) => way.href !== href);
  }
  if ((name === "RecordingError" || name === "ResetError") && here.hash) {
    return [{ label: "Begin afresh", href: to(here.search, placeOf(hash)) }];
  }
  const again = name !== "AddressError" && (name !== "UnknownWorldError" || !hash.has("world"));
  if (again) ways.push({ label: "Try again", href });
  if (here.searchParams.get("backend") === "webgpu")
    ways.push({ label: "Use WASM", href: to("?backend=wasm", here.hash) });
  if (here.hash) ways.push({ label: "See all worlds", href: to(here.search, "") });
  return ways;
}

/** The hash of the world alone; of one from elsewhere only where its own hash is sound. */
function placeOf(hash: URLSearchParams): string {
  const [world, address, sha256] = [hash.get("world"), hash.get("package"), hash.get("sha256")];
  if (address && /^[0-9a-f]{64}$/i.test(sha256 ?? "")) {
    return `#${new URLSearchParams({ package: address, sha256: sha256 ?? "" })}`;
  }
  return world ? `#${new URLSearchParams({ world })}` : "";
}
