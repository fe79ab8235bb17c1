/**
 * The database of a cluster, for the commands that need one. No other command loads it.
 */
import * as Database from "@live-response/cluster/Database"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Failure from "../Failure.ts"

const variable = "LIVE_RESPONSE_DATABASE_URL"

/** The address, which holds a password, so that no flag has it. */
export const url = Config.option(Config.Redacted(variable)).pipe(
  Effect.map(Option.filter((url) => Redacted.value(url) !== "")),
  Effect.flatMap(
    Option.match({
      onNone: () =>
        Effect.fail(
          Failure.usage(
            `set ${variable} to the PostgreSQL of the cluster, such as postgres://runner:<password>@db.example:5432/live_response?sslmode=require`,
          ),
        ),
      onSome: Effect.succeed,
    }),
  ),
)

/** The database, whatever schema it has. */
export const layerUnchecked = Layer.unwrap(Effect.map(url, (url) => Database.layerUnchecked({ url })))

/** The database with the schema of this release. */
export const layer = Layer.unwrap(Effect.map(url, (url) => Database.layer({ url })))
