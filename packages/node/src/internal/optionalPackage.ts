/** Packages that a program installs only if it uses what needs them. */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"

export class NotInstalled extends Schema.TaggedError<NotInstalled>("@live-response/node/NotInstalled")("NotInstalled", {
  name: Schema.String,
}) {
  override get message(): string {
    return `the package ${this.name} is not installed`
  }

  get advice(): string {
    return `install it with npm install ${this.name}`
  }
}

const isNotFound = (error: unknown): boolean =>
  Predicate.hasProperty(error, "code") && error.code === "ERR_MODULE_NOT_FOUND"

/** Loads a package. A package that is there and can't be loaded is a defect. */
export const load = <A>(name: string, importing: () => Promise<A>): Effect.Effect<A, NotInstalled> =>
  Effect.promise(() =>
    importing().catch((error: unknown) => (isNotFound(error) ? undefined : Promise.reject(error))),
  ).pipe(
    Effect.flatMap((module) =>
      module === undefined ? Effect.fail(new NotInstalled({ name })) : Effect.succeed(module),
    ),
  )
