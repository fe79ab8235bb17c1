// install.sh installs what a release has, and nothing else.
import { execFile, execFileSync, spawnSync } from "node:child_process"
import { once } from "node:events"
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs"
import { createServer } from "node:http"
import { tmpdir } from "node:os"
import { basename, join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterEach, assert, beforeEach, describe, test } from "vitest"
import { writeChecksums } from "./checksums.mjs"
import { installerOf } from "./release.mjs"

const installer = fileURLToPath(new URL("../install.sh", import.meta.url))
const archive = "live-response-linux-x64.tar.gz"

let root
let release
let server
let address
/** Answers in place of the files of the release. */
let respond

/** Makes a release whose program is a script. */
const pack = (script) => {
  const directory = join(release, "live-response-linux-x64")
  mkdirSync(directory)
  for (const path of ["man/live-response.1", "completions/bash/live-response", "completions/zsh/_live-response"]) {
    mkdirSync(join(directory, path, ".."), { recursive: true })
    writeFileSync(join(directory, path), path)
  }
  mkdirSync(join(directory, "completions/fish"))
  writeFileSync(join(directory, "completions/fish/live-response.fish"), "fish")
  writeFileSync(join(directory, "live-response"), `#!/bin/sh\n${script}\n`, { mode: 0o755 })
  execFileSync("tar", ["-czf", archive, "live-response-linux-x64"], { cwd: release })
  rmSync(directory, { recursive: true })
  writeChecksums(release)
}

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), "live-response-install-"))
  release = join(root, "release")
  mkdirSync(release)
  pack("echo live-response v9.9.9")
  respond = undefined
  server = createServer((request, response) => {
    const path = join(release, basename(request.url))
    if (respond?.(request, response, path) === true) return
    response.statusCode = existsSync(path) ? 200 : 404
    response.end(existsSync(path) ? readFileSync(path) : "")
  }).listen(0, "127.0.0.1")
  await once(server, "listening")
  address = `http://127.0.0.1:${server.address().port}`
})
afterEach(() => {
  server.close()
  server.closeAllConnections()
  rmSync(root, { recursive: true, force: true })
})

/** A directory of programs: those of this machine with these names, and others as scripts. */
const programs = (names, scripts = {}) => {
  const path = mkdtempSync(join(root, "bin-"))
  for (const name of names) {
    const { stdout } = spawnSync("which", [name], { encoding: "utf8" })
    symlinkSync(stdout.trim(), join(path, name))
  }
  for (const [name, script] of Object.entries(scripts))
    writeFileSync(join(path, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 })
  return path
}

const common = ["awk", "cat", "chmod", "cp", "cut", "grep", "gzip", "id", "mkdir", "mktemp", "mv", "rm", "sh", "tar"]
const x64 = { uname: "case $1 in -s) echo Linux ;; *) echo x86_64 ;; esac", ldd: "echo ldd (GNU libc) 2.36" }
const withCurl = () => programs([...common, "curl", "sha256sum"], x64)

const install = (path, args = ["--from", address], script = installer) =>
  new Promise((resolve) => {
    const env = { PATH: path, HOME: join(root, "home"), TMPDIR: root }
    const options = { env, cwd: root }
    execFile("/bin/sh", [script, "--to", join(root, "to"), ...args], options, (error, stdout, stderr) =>
      resolve({ code: error?.code ?? 0, stdout, stderr: stderr.trim().split("\n").at(-1) }),
    )
  })

const installed = () => join(root, "to/live-response")

/** Nothing was installed, and nothing is left behind. */
const assertNothing = () => {
  assert.isFalse(existsSync(join(root, "to")))
  assert.deepStrictEqual(
    readdirSync(root).filter((name) => name.startsWith("tmp.")),
    [],
  )
}

describe("install.sh", () => {
  test.each([
    ["curl and sha256sum", ["curl", "sha256sum"]],
    ["curl and shasum", ["curl", "shasum", "perl"]],
    ["curl and openssl", ["curl", "openssl"]],
  ])("installs with %s", async (_, names) => {
    const { code, stderr, stdout } = await install(programs([...common, ...names], x64))
    assert.strictEqual(code, 0, stderr)
    assert.strictEqual(
      stdout,
      `Installed live-response v9.9.9 in ${join(root, "to")}.\nAdd ${join(root, "to")} to your PATH, then try it: live-response demo\n`,
    )
    assert.strictEqual(statSync(installed()).mode & 0o777, 0o755)
    assert.deepStrictEqual(readdirSync(join(root, "to")), ["live-response"])
  })

  test("installs from a directory, and replaces an older version", async () => {
    mkdirSync(join(root, "to"))
    writeFileSync(installed(), "older")
    const { code, stderr } = await install(programs([...common, "sha256sum"], x64), ["--from", release])
    assert.strictEqual(code, 0, stderr)
    assert.match(readFileSync(installed(), "utf8"), /v9\.9\.9/)
  })

  test("installs nothing if the checksum is another one", async () => {
    writeFileSync(join(release, archive), "something else")
    const { code, stderr } = await install(withCurl())
    assert.strictEqual(code, 1)
    assert.match(
      stderr,
      /^install\.sh: live-response-linux-x64\.tar\.gz is not what SHA256SUMS says, and was not installed \(its SHA-256 is [0-9a-f]{64}\); run the same command again$/,
    )
    assertNothing()
  })

  test("installs nothing if the release has no checksum of it", async () => {
    writeFileSync(join(release, "SHA256SUMS"), `${"0".repeat(64)}  another-${archive}\n`)
    const { code, stderr } = await install(withCurl())
    assert.strictEqual(code, 1)
    assert.strictEqual(stderr, `install.sh: ${address} has no ${archive} in its SHA256SUMS`)
    assertNothing()
  })

  test("installs nothing if the download is cut off", async () => {
    respond = (request, response, path) => {
      if (!request.url.endsWith(archive)) return false
      const bytes = readFileSync(path)
      response.setHeader("content-length", bytes.length)
      response.write(bytes.subarray(0, 100), () => response.destroy())
      return true
    }
    // One attempt: curl's own retries wait.
    const path = programs([...common, "sha256sum"], { ...x64, curl: 'exec /usr/bin/curl "$@" --retry 0' })
    const { code, stderr } = await install(path)
    assert.strictEqual(code, 1)
    assert.strictEqual(stderr, `install.sh: ${address}/${archive} could not be downloaded; run the same command again`)
    assertNothing()
  })

  test("does nothing if it was cut off itself", async () => {
    const script = readFileSync(installer, "utf8")
    const part = join(root, "part.sh")
    for (const cut of [0.3, 0.6, 0.9]) {
      writeFileSync(part, script.slice(0, script.length * cut))
      await install(withCurl(), undefined, part)
      assertNothing()
    }
    writeFileSync(part, script.slice(0, script.lastIndexOf("main")))
    await install(withCurl(), undefined, part)
    assertNothing()
  })

  test.each([
    [
      "another system",
      { uname: "echo FreeBSD" },
      /^install\.sh: there is no binary for FreeBSD; with Node 22\.19 or later: npx @live-response\/cli$/,
    ],
    [
      "another processor",
      { uname: "case $1 in -s) echo Linux ;; *) echo riscv64 ;; esac" },
      /^install\.sh: there is no binary for Linux on riscv64; /,
    ],
    ["musl", { ldd: "echo musl libc >&2; exit 1" }, /^install\.sh: the binary needs glibc, and this system has musl; /],
    [
      "another file of the release",
      { uname: "case $1 in -s) echo Linux ;; *) echo aarch64 ;; esac" },
      /has no live-response-linux-arm64\.tar\.gz in its SHA256SUMS$/,
    ],
  ])("says what there is not: %s", async (_, scripts, message) => {
    const { code, stderr } = await install(programs([...common, "curl", "sha256sum"], { ...x64, ...scripts }))
    assert.strictEqual(code, 1)
    assert.match(stderr, message)
    assertNothing()
  })

  test("says which programs it needs", async () => {
    // wget would follow a redirect to plain http.
    const withoutCurl = await install(programs([...common, "wget", "sha256sum"], x64))
    assert.match(withoutCurl.stderr, /^install\.sh: curl is needed; /)
    const withoutHash = await install(programs([...common, "curl"], x64))
    assert.match(withoutHash.stderr, /^install\.sh: sha256sum, shasum or openssl is needed /)
    assertNothing()
  })

  test.each([
    [
      "one that does not run",
      "exit 1",
      {},
      `the program of ${archive} does not run on this machine, and was not installed`,
    ],
    [
      "one that says nothing",
      "exit 0",
      {},
      `the program of ${archive} does not run on this machine, and was not installed`,
    ],
    [
      "one that does not fit on the disk",
      "echo live-response v9.9.9",
      { cp: 'echo part > "$2"; exit 1' },
      "TO could not be written to; is it full? Free some space there, or choose another directory with --to",
    ],
  ])("leaves a program that runs, and nothing else, instead of %s", async (_, program, scripts, message) => {
    pack(program)
    mkdirSync(join(root, "to"))
    writeFileSync(installed(), "older")
    const names = [...common, "curl", "sha256sum"].filter((name) => !(name in scripts))
    const { code, stderr } = await install(programs(names, { ...x64, ...scripts }))
    assert.strictEqual(code, 1)
    assert.strictEqual(stderr, `install.sh: ${message.replace("TO", join(root, "to"))}`)
    assert.deepStrictEqual(readdirSync(join(root, "to")), ["live-response"])
    assert.strictEqual(readFileSync(installed(), "utf8"), "older")
  })

  test("does not put the program into a directory of its name", async () => {
    mkdirSync(installed(), { recursive: true })
    const { code, stderr } = await install(withCurl())
    assert.strictEqual(code, 1)
    assert.include(stderr, `${installed()} is a directory; remove it`)
    assert.deepStrictEqual(readdirSync(installed()), [])
  })

  test("does not ask the host that an address hides behind a user", async () => {
    const path = programs([...common, "sha256sum"], { ...x64, curl: `touch ${join(root, "asked")}; exit 1` })
    for (const from of ["http://127.0.0.1:9@evil.invalid/", "https://github.com:x@evil.invalid/"]) {
      const { code, stderr } = await install(path, ["--from", from])
      assert.strictEqual(code, 1)
      assert.strictEqual(stderr, `install.sh: ${from.slice(0, -1)} has a user in it; leave out what is before @`)
    }
    assert.isFalse(existsSync(join(root, "asked")))
    assertNothing()
  })

  test("has help, asks for values, and names an absolute directory", async () => {
    const help = await install(withCurl(), ["--help"])
    assert.strictEqual(help.code, 0)
    assert.match(help.stdout, /^sh install\.sh \[--from/)
    for (const args of [["--from"], ["--from", ""], ["--from", address, "--to"]]) {
      const { code, stderr } = await install(withCurl(), args)
      assert.strictEqual(code, 1)
      assert.match(stderr, /^install\.sh: --(from|to) needs a value; see --help$/)
    }
    assertNothing()
    const relative = await install(withCurl(), ["--from", address, "--to", "there"])
    assert.include(relative.stdout, `Add ${join(root, "there")} to your PATH`)
  })

  test("installs man pages and completions where it is asked to", async () => {
    const { code, stderr } = await install(withCurl(), ["--from", address, "--share", join(root, "share")])
    assert.strictEqual(code, 0, stderr)
    const files = readdirSync(join(root, "share"), { recursive: true, withFileTypes: true }).filter((each) =>
      each.isFile(),
    )
    assert.deepStrictEqual(files.map(({ name, parentPath }) => join(parentPath, name).slice(root.length)).toSorted(), [
      "/share/bash-completion/completions/live-response",
      "/share/fish/vendor_completions.d/live-response.fish",
      "/share/man/man1/live-response.1",
      "/share/zsh/site-functions/_live-response",
    ])
  })

  test("asks other machines only over TLS, also where they redirect", async () => {
    const plain = await install(withCurl(), ["--from", "http://releases.example"])
    assert.strictEqual(plain.stderr, "install.sh: http://releases.example is not an https address")
    respond = (_, response) => {
      response.writeHead(302, { location: "ftp://127.0.0.1/SHA256SUMS" })
      response.end()
      return true
    }
    assert.strictEqual((await install(withCurl())).code, 1)
    assertNothing()
  })

  test("of a release has its address, and that of the checkout asks for one", async () => {
    const { stderr } = await install(withCurl(), [])
    assert.strictEqual(stderr, "install.sh: this copy is not of a release; name one with --from ADDRESS")
    const script = installerOf(readFileSync(installer, "utf8"), "1.2.3", "contoso/live-response")
    assert.match(script, /^release=https:\/\/github\.com\/contoso\/live-response\/releases\/download\/v1\.2\.3$/m)
  })
})
