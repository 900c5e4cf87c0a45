/**
 * The words of a record that every viewer knows: XMP with IPTC's `DigitalSourceType`. Our own record lies beside it, so
 * nothing of ours is ever read from here. Source: XMP specification part 3; IPTC Photo Metadata 2022.1.
 */
import { GENERATED, inWords, type Provenance } from "../model/provenance";

/** An XMP packet, read-only. */
export function xmpPacket(provenance: Provenance): string {
  const description = escaped(inWords(provenance));
  return [
    '<?xpacket begin="\uFEFF" id="W5M0MpCehiHzreSzNTczkc9d"?>',
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">',
    '<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"',
    ' xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/"',
    ` Iptc4xmpExt:DigitalSourceType="${GENERATED}" xmp:CreatorTool="${escaped(provenance.generator)}">`,
    `<dc:description><rdf:Alt><rdf:li xml:lang="x-default">${description}</rdf:li></rdf:Alt></dc:description>`,
    "</rdf:Description></rdf:RDF></x:xmpmeta>",
    '<?xpacket end="r"?>',
  ].join("");
}

const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
