// @effect-diagnostics globalConsole:off














































































import * as ActionFilter from "@live-response/core/ActionFilter"
import * as DateTime from "effect/DateTime"

const filter = ActionFilter.all(
  ActionFilter.is("type", "LiveResponse"),
  ActionFilter.since(DateTime.makeUnsafe("2026-11-01T00:00:00Z")),
)
console.log(filter.expression) // (type eq 'LiveResponse') and (creationDateTimeUtc ge 2026-11-01T00:00:00.000Z)
