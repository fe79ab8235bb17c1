/** A link with a latency and a rate, as a TCP proxy on this machine: what `tc netem` does, without its privileges. */
import { connect, createServer } from "node:net"

/** Chunks in order, each sent no earlier than its time. Time-outs are exact to a millisecond. */
const delayed = (send) => {
  const queue = []
  let timer
  const run = () => {
    timer = undefined
    for (let first = queue[0]; first !== undefined; first = queue[0]) {
      const left = first.at - performance.now()
      if (left > 0.5) {
        timer = setTimeout(run, left)
        return
      }
      queue.shift()
      send(first.chunk)
    }
  }
  return (chunk, at) => {
    queue.push({ chunk, at })
    if (timer === undefined) run()
  }
}

/** Pipes one direction. `arrivalOf` says when a chunk of so many bytes is through. */
const pipe = (from, to, arrivalOf, mostOnTheWay) => {
  let onTheWay = 0
  const enqueue = delayed((chunk) => {
    if (chunk === undefined) return to.end()
    onTheWay -= chunk.length
    to.write(chunk)
    if (onTheWay < mostOnTheWay) from.resume()
  })
  from.on("data", (chunk) => {
    onTheWay += chunk.length
    enqueue(chunk, arrivalOf(chunk.length))
    if (onTheWay >= mostOnTheWay) from.pause()
  })
  from.on("end", () => enqueue(undefined, arrivalOf(0)))
  from.on("error", () => to.destroy())
  from.on("close", () => from.readableEnded || to.destroy())
}

/**
 * Starts a proxy to a port, and returns its own port. `latency` is that of a round trip, in milliseconds; `rate` is that of
 * all connections together, towards the client, in bits a second.
 */
export const shape = (port, { latency, rate }) =>
  new Promise((resolve) => {
    const oneWay = latency / 2
    let linkIsFreeAt = 0
    const throughLink = (bytes) => {
      linkIsFreeAt = Math.max(linkIsFreeAt, performance.now()) + (bytes * 8000) / rate
      return linkIsFreeAt + oneWay
    }
    const server = createServer({ noDelay: true, allowHalfOpen: true }, (client) => {
      const upstream = connect({ port, host: "127.0.0.1", noDelay: true, allowHalfOpen: true })
      // As much as a window of TCP that does not limit the rate.
      const window = 1024 ** 2 + (rate === Infinity ? 4 * 1024 ** 2 : (rate / 8000) * latency * 2)
      pipe(client, upstream, () => performance.now() + oneWay, window)
      pipe(upstream, client, rate === Infinity ? () => performance.now() + oneWay : throughLink, window)
    })
    server.listen(0, "127.0.0.1", () => resolve(server.address().port))
  })
