import { assert, describe, it } from "@effect/vitest"
import * as Migrations from "@live-response/cluster/Migrations"
import * as Effect from "effect/Effect"
import * as Cli from "./support/CliInProcess.ts"
import * as ClusterDatabase from "./support/ClusterDatabase.ts"

const database = ClusterDatabase.shared()

const migrate = (env: Readonly<Record<string, string>>, ...args: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const box = yield* Cli.sandbox
    return yield* box.run({ args: ["migrate", ...args], env })
  }).pipe(Effect.scoped)

const tables = `select table_name from information_schema.tables where table_schema = 'live_response'`

const steps = Migrations.migrations.map(({ name, version }) => `  ${version}  ${name}`)

describe("migrate", () => {
  it.live("brings a database to the schema of this release, and says from which version", () =>
    Effect.gen(function* () {
      const { owner, query } = database()
      yield* query("drop schema live_response cascade")

      const planned = yield* migrate(owner, "--dry-run", "--runtime-role", "runner")
      assert.strictEqual(planned.exitCode, 0)
      const lines = planned.stdout.split("\n")
      assert.match(
        lines[0] ?? "",
        new RegExp(
          `^The schema of 127\\.0\\.0\\.1:\\d+/live would be migrated from version 0 to ${Migrations.current}:$`,
        ),
      )
      assert.deepStrictEqual(lines.slice(1, -2), steps)
      assert.strictEqual(lines.at(-2), "The role runner would be granted what runners need.")
      assert.deepStrictEqual(yield* query(tables), [])

      const migrated = yield* migrate(owner, "--runtime-role", "runner")
      assert.deepStrictEqual([migrated.exitCode, migrated.stderr], [0, ""])
      assert.match(migrated.stdout, new RegExp(`was migrated from version 0 to ${Migrations.current}:\n`))
      assert.isAbove((yield* query(tables)).length, 5)

      const again = yield* migrate(owner, "--json")
      const { database: name, ...outcome } = JSON.parse(again.stdout)
      assert.match(name, /^127\.0\.0\.1:\d+\/live$/)
      assert.deepStrictEqual(outcome, {
        from: Migrations.current,
        to: Migrations.current,
        steps: [],
        dryRun: false,
      })
      assert.match((yield* migrate(owner)).stdout, /is version \d+: nothing to do\.\n$/)
    }),
  )

  it.live("fails in one line, without the password: no address, no database, no right, a newer schema", () =>
    Effect.gen(function* () {
      const { owner, query, runner } = database()
      const none = yield* migrate({})
      assert.strictEqual(none.exitCode, 2)
      assert.match(none.stderr, /^live-response: set LIVE_RESPONSE_DATABASE_URL to [^\n]+\n$/)

      const refused = yield* migrate(runner, "--runtime-role", "runner")
      assert.strictEqual(refused.exitCode, 4)
      assert.match(refused.stderr, /^live-response: PostgreSQL at [^\n]+: it refused \(permission denied[^\n]+\n$/)

      const wrong = "postgres://nobody:a-secret-of-nobody@127.0.0.1:1/live"
      const away = yield* migrate({ LIVE_RESPONSE_DATABASE_URL: wrong })
      assert.strictEqual(away.exitCode, 4)
      assert.match(away.stderr, /^live-response: PostgreSQL at 127\.0\.0\.1:1\/live: it does not answer [^\n]+\n$/)
      assert.notInclude(away.stderr, "a-secret-of-nobody")

      yield* query("insert into live_response.migrations (version, name) values (1000, 'of a newer release')")
      for (const flag of ["--dry-run", "--json"]) {
        const newer = yield* migrate(owner, flag)
        assert.strictEqual(newer.exitCode, 4)
        assert.match(newer.stderr, /a newer release has migrated its schema to version 1000/)
      }
      yield* query("delete from live_response.migrations where version = 1000")
    }),
  )
})
