// The address of what is shown: "#/view/part/part", each part percent-encoded as the server does it, so that a path
// is the same in both, bytes that are not UTF-8 included.

const UNREADABLE = new TextDecoder();

export function here() {
  const [view, ...parts] = location.hash.replace(/^#\/?/, "").split("/");
  return {view, parts};
}

/** The words are encoded, the ref is so already. */
export function linkTo(view, words = [], ref = "") {
  return ["#", view, ...words.map((w) => encodeURIComponent(w)), ...(ref ? [ref] : [])].join("/");
}

/** What an encoded part says to a reader. */
export function plain(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    const bytes = part.replace(/%([\da-f]{2})/gi, (_, hex) => String.fromCharCode(parseInt(hex, 16)));
    return UNREADABLE.decode(Uint8Array.from(bytes, (c) => c.charCodeAt(0)));
  }
}
