/**
 * `live-response tenants`
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Failure from "../../Failure.ts"
import * as FlagTypes from "../../flags/FlagTypes.ts"
import * as Printing from "../../flags/Printing.ts"
import * as Selection from "../../flags/Selection.ts"
import * as TenantSettings from "../../flags/TenantSettings.ts"
import * as Yes from "../../flags/Yes.ts"

/** Help and usage errors do not load what speaks to PostgreSQL. */
const loadHandler = Effect.promise(() => import("./handler.ts"))

const tenant = Argument.String("tenant").pipe(
  Argument.withMetavar("TENANT"),
  Argument.withDescription("The id of the tenant in Entra, or the name that the registry has for it"),
)

const tenants = tenant.pipe(Argument.atLeast(1))

const json = FlagTypes.toggle("json", "Print a line of JSON for each tenant")

/** What can't be collected is refused where it is typed. */
const checkSelection = (selection: Selection.Selection) => {
  const problem = Selection.problemOfFollowing(selection)
  return problem === undefined ? Effect.void : Effect.fail(Failure.usage(`a tenant is followed: ${problem}`))
}

const add = Command.make(
  "add",
  {
    tenant: Argument.String("tenant").pipe(
      Argument.withMetavar("TENANT"),
      Argument.withDescription("The id of the tenant in Entra"),
    ),
    ...TenantSettings.flags,
    json,
  },
  Effect.fnUntraced(function* (options) {
    yield* checkSelection(options)
    const settings = yield* TenantSettings.added(options)
    const handler = yield* loadHandler
    yield* handler.add(options.tenant, settings, options)
  }),
).pipe(
  Command.withShortDescription("Add a tenant, or replace its settings"),
  Command.withDescription(
    "Add a tenant to the registry, or replace the settings of the one that is there. Runners start to collect its results within seconds. The registry names files and ids, and never a secret.",
  ),
  Command.withExamples([
    {
      command:
        "live-response tenants add e0a8f26e-8b12-4ee4-9ac9-4a4ecb3d1b8f --name contoso --credential certificate --client-id 1f6a3c7a-6c2b-4f0e-b6b1-2c8f6d8f5c11 --credential-file mssp.pem",
      description: "All live response sessions, with the provider's multi-tenant app",
    },
  ]),
)

const set = Command.make(
  "set",
  {
    tenant,
    ...TenantSettings.flags,
    allActions: FlagTypes.toggle("all-actions", "First remove the tenant's selection; the other flags make a new one"),
    json,
  },
  Effect.fnUntraced(function* (options) {
    yield* checkSelection(options)
    const handler = yield* loadHandler
    yield* handler.set(options, (current) => TenantSettings.changed(options, options.allActions, current))
  }),
).pipe(
  Command.withShortDescription("Change settings of a tenant"),
  Command.withDescription(
    "Change the given settings of a tenant, and keep the others. Its collection restarts with them within seconds. --cloud also removes the addresses that replaced those of the cloud before.",
  ),
  Command.withExamples([
    { command: "live-response tenants set contoso --requestor soc@contoso.com", description: "What is collected" },
  ]),
)

const list = Command.make(
  "list",
  Printing.rows("tenant"),
  Effect.fnUntraced(function* (options) {
    const format = yield* Printing.formatOf(options)
    const handler = yield* loadHandler
    yield* handler.list(format)
  }),
).pipe(Command.withDescription("List the tenants of the registry, one line each."))

const enable = Command.make(
  "enable",
  { tenants, json },
  Effect.fnUntraced(function* (options) {
    const handler = yield* loadHandler
    yield* handler.enable(options, true)
  }),
).pipe(Command.withDescription("Collect the results of disabled tenants again."))

const disable = Command.make(
  "disable",
  { tenants, json },
  Effect.fnUntraced(function* (options) {
    const handler = yield* loadHandler
    yield* handler.enable(options, false)
  }),
).pipe(
  Command.withDescription(
    "Stop collecting the results of tenants. PostgreSQL refuses at once what their runners still write; what was collected stays.",
  ),
)

const remove = Command.make(
  "remove",
  { tenants, yes: Yes.flag("remove the tenants, and cancel their open runs"), json },
  Effect.fnUntraced(function* (options) {
    const handler = yield* loadHandler
    yield* handler.remove(options)
  }),
).pipe(
  Command.withDescription(
    "Remove tenants from the registry, and cancel their open runs; it asks first, and says how many runs are open. Sessions in progress continue on their machines, and nothing more of them is downloaded. The tenants' results and records stay: the collection of a tenant that is added again resumes from them.",
  ),
)

const status = Command.make(
  "status",
  { tenants: tenant.pipe(Argument.atLeast(0)), ...Printing.rows("tenant") },
  Effect.fnUntraced(function* (options) {
    const format = yield* Printing.formatOf(options)
    const handler = yield* loadHandler
    yield* handler.status(options.tenants, format)
  }),
).pipe(
  Command.withShortDescription("Show how the collection of tenants goes"),
  Command.withDescription(
    "Show how the collection of all tenants goes, or of those that are named: what was stored, how far it is behind, which runner does it, and what stops it. It reads counters, and so answers at once however many results there are.",
  ),
  Command.withExamples([
    { command: "live-response tenants status", description: "All tenants" },
    {
      command: "live-response tenants status --json | jq -r 'select(.lagSeconds > 600).name'",
      description: "Those that are more than ten minutes behind",
    },
  ]),
)

const commands = Command.make("tenants").pipe(
  Command.withShortDescription("Decide which tenants a cluster collects, and how"),
  Command.withDescription(
    "Decide which tenants a cluster collects, and how. They are in PostgreSQL, at LIVE_RESPONSE_DATABASE_URL. Runners follow each change within seconds, without a restart.",
  ),
  Command.withSubcommands([add, list, set, status, disable, enable, remove]),
)

export { commands as tenants }
