/**
 * What `live-response migrate` does: brings the schema of the cluster's database to the version of this release.
 */
import { Database } from "@live-response/cluster/Database"
import * as Migrations from "@live-response/cluster/Migrations"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as ClusterDatabase from "../../api/ClusterDatabase.ts"
import * as Failure from "../../Failure.ts"
import { printable, printableJson } from "../../output/Printable.ts"

export interface Options {
  readonly runtimeRole: Option.Option<string>
  readonly dryRun: boolean
  readonly json: boolean
}

interface Outcome {
  readonly database: string
  readonly steps: ReadonlyArray<Migrations.Migration>
}

const linesOf = ({ database, steps }: Outcome, { dryRun, runtimeRole }: Options): ReadonlyArray<string> => {
  const [before, now] = [Migrations.current - steps.length, Migrations.current]
  const verb = dryRun ? "would be migrated" : "was migrated"
  const headline =
    steps.length === 0
      ? `The schema of ${printable(database)} is version ${now}: nothing to do.`
      : `The schema of ${printable(database)} ${verb} from version ${before} to ${now}:`
  return [
    headline,
    ...steps.map(({ name, version }) => `  ${version}  ${name}`),
    ...Option.match(runtimeRole, {
      onNone: () => [],
      onSome: (role) => [`The role ${printable(role)} ${dryRun ? "would be" : "is"} granted what runners need.`],
    }),
  ]
}

const jsonOf = ({ database, steps }: Outcome, { dryRun, runtimeRole }: Options): string =>
  printableJson(
    JSON.stringify({
      database,
      from: Migrations.current - steps.length,
      to: Migrations.current,
      steps: steps.map(({ name, version }) => ({ version, name })),
      ...Option.match(runtimeRole, { onNone: () => ({}), onSome: (runtimeRole) => ({ runtimeRole }) }),
      dryRun,
    }),
  )

/** Migrates, or with `--dry-run` reads which steps are missing, and prints them. */
export const migrate = Effect.fnUntraced(
  function* (options: Options) {
    const { name: database } = yield* Database
    const runtimeRole = Option.getOrUndefined(options.runtimeRole)
    const steps = options.dryRun ? yield* Migrations.pending : yield* Migrations.migrate({ runtimeRole })
    const outcome = { database, steps }
    yield* Console.log(options.json ? jsonOf(outcome, options) : linesOf(outcome, options).join("\n"))
  },
  Effect.provide(ClusterDatabase.layerUnchecked),
  Effect.mapError(Failure.fromError),
)
