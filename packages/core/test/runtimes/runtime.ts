/** What Deno and Bun name differently: arguments, standard input and the server. */

type Handler = (request: Request) => Promise<Response>

declare const Deno:
  | {
      readonly args: ReadonlyArray<string>
      readonly stdin: { readonly readable: ReadableStream<Uint8Array> }
      readonly serve: (
        options: { readonly hostname: string; readonly port: number; readonly onListen: () => void },
        handler: Handler,
      ) => { readonly addr: { readonly port: number }; readonly shutdown: () => Promise<void> }
    }
  | undefined

declare const Bun: {
  readonly argv: ReadonlyArray<string>
  readonly stdin: { readonly stream: () => ReadableStream<Uint8Array> }
  readonly serve: (options: { readonly hostname: string; readonly port: number; readonly fetch: Handler }) => {
    readonly port: number
    readonly stop: () => Promise<void>
  }
}

const hostname = "127.0.0.1"

/** The arguments of the program. */
export const args = typeof Deno === "undefined" ? Bun.argv.slice(2) : Deno.args

/** Standard input. */
export const stdin = () => (typeof Deno === "undefined" ? Bun.stdin.stream() : Deno.stdin.readable)

/** Serves on a free port of the loopback interface. */
export const serve = (handler: Handler): { readonly port: number; readonly stop: () => Promise<void> } => {
  if (typeof Deno === "undefined") {
    const server = Bun.serve({ hostname, port: 0, fetch: handler })
    return { port: server.port, stop: () => server.stop() }
  }
  const server = Deno.serve({ hostname, port: 0, onListen: () => {} }, handler)
  return { port: server.addr.port, stop: () => server.shutdown() }
}
