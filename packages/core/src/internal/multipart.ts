/** A `multipart/form-data` body of known length, whose file is streamed. */
import * as HttpBody from "effect/http/HttpBody"
import * as Stream from "effect/Stream"

export interface Form<E> {
  /** What separates the parts: it must not be in them. */
  readonly boundary: string
  readonly fields: Readonly<Record<string, string>>
  readonly file: {
    readonly field: string
    readonly name: string
    readonly size: number
    readonly content: Stream.Stream<Uint8Array, E>
  }
}

/** A name that can't end its header. Browsers escape in the same way. */
const escaped = (name: string): string => name.replaceAll('"', "%22").replaceAll("\r", "%0D").replaceAll("\n", "%0A")

const fieldPart = (boundary: string, name: string, value: string): string =>
  `--${boundary}\r\nContent-Disposition: form-data; name="${escaped(name)}"\r\n\r\n${value}\r\n`

const fileHead = (boundary: string, { field, name }: Form<never>["file"]): string =>
  `--${boundary}\r\nContent-Disposition: form-data; name="${escaped(field)}"; filename="${escaped(name)}"\r\nContent-Type: application/octet-stream\r\n\r\n`

export const body = <E>({ boundary, fields, file }: Form<E>): HttpBody.HttpBody => {
  const encoder = new TextEncoder()
  const parts = Object.entries(fields).map(([name, value]) => fieldPart(boundary, name, value))
  const head = encoder.encode(`${parts.join("")}${fileHead(boundary, { ...file, content: Stream.empty })}`)
  const tail = encoder.encode(`\r\n--${boundary}--\r\n`)
  const bytes = Stream.succeed(head).pipe(Stream.concat(file.content), Stream.concat(Stream.succeed(tail)))
  return HttpBody.stream(bytes, `multipart/form-data; boundary=${boundary}`, head.length + file.size + tail.length)
}
