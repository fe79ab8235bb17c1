/**
 * The servers of `bench:bytes`, in a process of their own: files by nginx where it is installed (else by Node), and an API
 * that answers each result with its link. Prints one line of JSON once they listen, and ends with its standard input.
 *
 *     node packages/cli/bench/bytes/server.mjs DIRECTORY LATENCY RATE [CERTIFICATE KEY]
 *
 * With a latency (in milliseconds) or a rate (in bits a second, or Infinity) both are behind such a link.
 */
import { spawn, spawnSync } from "node:child_process"
import { createReadStream, readFileSync, statSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import { createServer as createSecureServer } from "node:https"
import { connect, createServer as createTcpServer } from "node:net"
import { join } from "node:path"
import { shape } from "./shaper.mjs"

const [directory = "", latency = "0", rate = "Infinity", cert, key] = process.argv.slice(2)
const link = { latency: Number(latency), rate: Number(rate) }
const isSecure = cert !== undefined && key !== undefined
const scheme = isSecure ? "https" : "http"

/** Results are named `<name>` in `www`; the API's ids are `00000000-0000-4000-8000-<twelve digits>`. */
const www = join(directory, "www")

const listen = (handler) =>
  new Promise((resolve) => {
    const server = isSecure
      ? createSecureServer({ cert: readFileSync(cert), key: readFileSync(key) }, handler)
      : createServer(handler)
    server.keepAliveTimeout = 60_000
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      resolve(typeof address === "object" && address !== null ? address.port : 0)
    })
  })

const freePort = () =>
  new Promise((resolve) => {
    const server = createTcpServer().listen(0, "127.0.0.1", () => {
      const address = server.address()
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0))
    })
  })

const answers = (port) =>
  new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1")
    socket.once("connect", () => {
      socket.destroy()
      resolve()
    })
    socket.once("error", () => setTimeout(() => resolve(answers(port)), 20))
  })

const startNginx = async () => {
  const port = await freePort()
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((kind) => `${kind}_temp_path ${join(directory, kind)};`)
    .join(" ")
  const tls = isSecure ? `ssl_certificate ${cert}; ssl_certificate_key ${key};` : ""
  const config = join(directory, "nginx.conf")
  writeFileSync(
    config,
    // Only its owner can open the directory, so the worker runs as that user.
    `${process.getuid?.() === 0 ? "user root; " : ""}daemon off; worker_processes 1; pid ${join(directory, "nginx.pid")}; error_log ${join(directory, "nginx.log")};
events { worker_connections 1024; }
http { access_log off; sendfile on; keepalive_requests 1000000; ${temporary}
server { listen 127.0.0.1:${port}${isSecure ? " ssl" : ""}; ${tls} root ${www}; } }`,
  )
  const nginx = spawn("nginx", ["-e", join(directory, "nginx.log"), "-c", config], { stdio: "inherit" })
  process.stdin.on("end", () => nginx.kill())
  await answers(port)
  return port
}

const serveFile = ({ url = "/" }, response) => {
  const path = join(www, url.split("?")[0] ?? "")
  const { mtimeMs, size } = statSync(path)
  response.writeHead(200, { "content-length": size, etag: `"${size}-${mtimeMs}"`, "accept-ranges": "bytes" })
  createReadStream(path, { highWaterMark: 1024 * 1024 }).pipe(response)
}

/** The port under which a server can be reached. */
const behindLink = (port) => (link.latency === 0 && link.rate === Infinity ? port : shape(port, link))

const hasNginx = spawnSync("nginx", ["-v"]).status === 0
const files = await behindLink(hasNginx ? await startNginx() : await listen(serveFile))

/** As long as a signature of Azure: a shorter one would be searched for in each header of the answer. */
const signature = `sig=${"0123456789ab".repeat(4)}%3D`

const linkOf = ({ url = "" }, response) => {
  const name = /machineactions\/0{8}-0{4}-4000-8000-0*(\d+)\//.exec(url)?.[1] ?? "0"
  const body = JSON.stringify({ value: `${scheme}://127.0.0.1:${files}/${name}?${signature}` })
  response.writeHead(200, { "content-type": "application/json", "content-length": body.length })
  response.end(body)
}

const api = await behindLink(await listen(linkOf))
console.log(JSON.stringify({ server: hasNginx ? "nginx" : "Node", files, api }))
process.stdin.on("end", () => setTimeout(() => process.exit(0), 100))
process.stdin.resume()
