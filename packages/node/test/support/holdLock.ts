/** A program that locks a directory, prints `held` and never ends. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as NodeDirectoryLock from "@live-response/node/NodeDirectoryLock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

const directory = process.argv[2] ?? ""
const lock = NodeDirectoryLock.layer({ directory }).pipe(Layer.provide(NodeServices.layer))

NodeRuntime.runMain(
  Layer.build(lock).pipe(Effect.andThen(Console.log("held")), Effect.andThen(Effect.never), Effect.scoped),
)
