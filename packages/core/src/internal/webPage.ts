/** Recognises a web page by its first bytes, as browsers do where no header says what a body is. */

/**
 * Browsers go by the tags up to `p`. Pages of gateways begin with the others too, such as one that only leads to another with `meta`.
 *
 * @see https://mimesniff.spec.whatwg.org/#rules-for-identifying-an-unknown-mime-type
 */
const page =
  /^<(?:!--|(?:!doctype html|html|head|script|iframe|h1|div|font|table|a|style|title|b|body|br|p|meta|base|link|center|form|img|noscript|pre|svg|h[2-6])[\s>])/i

const document = /^<\?xml\s/i

/** The longest of these tags, and the character after it. */
const longestTag = "<!doctype html>".length

/** In bytes. A page may begin with blank lines, so that its first tag is not at its start. */
const longestStart = 600

const byteOrderMark = /^(?:\u00ef\u00bb\u00bf|\u00ff\u00fe|\u00fe\u00ff)/

/** The document type may be written over several lines. */
const startOf = (text: string): string => text.trimStart().replaceAll(/\s+/g, " ")

/** Whether a text is a page in HTML. The documents of a store's API are XML. */
export const isHtml = (text: string): boolean => page.test(startOf(text.slice(0, longestStart)))

/** Whether bytes are the beginning of a page, or of an XML document; `maybe` where more of them are needed to know. */
export const beginsIn = (bytes: Uint8Array): "yes" | "no" | "maybe" => {
  // In UTF-16 each of these characters has a NUL.
  const text = startOf(
    String.fromCharCode(...bytes.subarray(0, longestStart))
      .replace(byteOrderMark, "")
      .replaceAll("\0", ""),
  )
  if (page.test(text) || document.test(text)) return "yes"
  const mayBecomeTag = text === "" || (text.startsWith("<") && text.length < longestTag)
  return mayBecomeTag && bytes.length < longestStart ? "maybe" : "no"
}
