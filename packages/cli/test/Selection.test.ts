import { assert, describe, it } from "@effect/vitest"
import * as FollowPosition from "@live-response/core/FollowPosition"
import * as MachineAction from "@live-response/core/MachineAction"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Selection from "../src/flags/Selection.ts"

const now = DateTime.makeUnsafe("2026-11-24T10:00:00Z")
const machineId = "1e5bc9d7e413ddd7902c2932e418702b84d0cc07"

const nothing: Selection.Selection = {
  since: Option.none(),
  status: [],
  type: [],
  machine: [],
  requestor: [],
  filter: Option.none(),
}

/** Each field with a value. The type demands every field. */
const each: Selection.Selection = {
  since: Option.some(Duration.hours(24)),
  status: ["Failed"],
  type: ["Isolate"],
  machine: [machineId],
  requestor: ["soc@contoso.com"],
  filter: Option.some("scope eq 'Full'"),
}

/** A selection by one field. */
const only = (field: keyof Selection.Selection): Selection.Selection => ({ ...nothing, [field]: each[field] })

const fields = Object.keys(Selection.flags).filter((name): name is keyof Selection.Selection => name in nothing)

const filterOf = (selection: Selection.Selection) => Selection.filterOf(selection, now)?.expression

const keyOf = (selection: Selection.Selection): ReadonlyArray<string> =>
  FollowPosition.makeKey(Selection.valuesOf(selection))

const action = (fields: Partial<MachineAction.MachineAction>) =>
  MachineAction.MachineAction.make({
    id: Schema.decodeSync(MachineAction.MachineActionId)("988cc94e-7a8f-4b28-ab65-54970c5d5018"),
    type: "LiveResponse",
    status: "Succeeded",
    commands: [],
    ...fields,
  })

describe("a selection", () => {
  it("has a flag for each field", () => assert.deepStrictEqual(fields, Object.keys(nothing)))

  it("selects something as soon as one field is given", () => {
    assert.isFalse(Selection.isSelecting(nothing))
    for (const field of fields) assert.isTrue(Selection.isSelecting(only(field)), field)
  })

  it("filters by each field", () => {
    assert.isUndefined(filterOf(nothing))
    assert.deepStrictEqual(
      fields.map((field) => filterOf(only(field))),
      [
        "creationDateTimeUtc ge 2026-11-23T10:00:00.000Z",
        "status eq 'Failed'",
        "type eq 'Isolate'",
        `machineId eq '${machineId}'`,
        "requestor eq 'soc@contoso.com'",
        "scope eq 'Full'",
      ],
    )
  })

  it("filters by machine in this program if a machine is given by name", () => {
    const byName = { ...nothing, machine: ["WS-1", machineId.toUpperCase()] }
    assert.isUndefined(filterOf(byName))
    assert.isTrue(Selection.matches(byName, action({ computerDnsName: "ws-1.contoso.com" })))
    assert.isTrue(Selection.matches(byName, action({ machineId })))
    assert.isFalse(Selection.matches(byName, action({ computerDnsName: "ws-10.contoso.com" })))
    assert.isTrue(Selection.matches(nothing, action({ computerDnsName: "ws-10.contoso.com" })))
  })

  it("checks the status in this program while it follows, and asks the API for no time", () => {
    const { filter, isSelected } = Selection.toFollow({ ...each, status: ["failed"] })
    assert.notMatch(filter?.expression ?? "", /status|creationDateTimeUtc/)
    const failed = { machineId, type: "Isolate", requestor: "SOC@contoso.com", status: "Failed" }
    assert.isTrue(isSelected(action(failed)))
    assert.isFalse(isSelected(action({ ...failed, status: "Succeeded" })))
    // What a server lists that ignores the filter.
    for (const other of [{ type: "LiveResponse" }, { requestor: "ann@contoso.com" }, { machineId: "f".repeat(40) }]) {
      assert.isFalse(isSelected(action({ ...failed, ...other })), JSON.stringify(other))
    }
  })

  it("passes what the API's filter matches, and nothing else that a server lists which ignores it", () => {
    const created = DateTime.makeUnsafe("2026-11-24T09:00:00Z")
    const answer = { created, status: "failed", type: "isolate", machineId, requestor: "SOC@contoso.com" }
    assert.isTrue(Selection.passes(each, action(answer), now))
    const others: ReadonlyArray<Partial<MachineAction.MachineAction>> = [
      { created: DateTime.makeUnsafe("2026-11-22T09:00:00Z") },
      { status: "Succeeded" },
      { type: "" },
      { requestor: "ann@contoso.com" },
    ]
    for (const other of others) {
      assert.isFalse(Selection.passes(each, action({ ...answer, ...other }), now), JSON.stringify(other))
    }
    const { created: _, requestor: __, ...silent } = answer
    assert.isFalse(Selection.passes(only("since"), action(silent), now))
    assert.isFalse(Selection.passes(only("requestor"), action(silent), now))
    assert.isTrue(Selection.passes(nothing, action(silent), now))
  })
})

describe("the key of a selection", () => {
  it("is different for each field, but the same for any --since", () => {
    for (const field of fields) {
      const assertion = field === "since" ? assert.deepStrictEqual : assert.notDeepEqual
      assertion(keyOf(only(field)), keyOf(nothing), field)
    }
    assert.lengthOf(new Set(fields.map((field) => keyOf(only(field)).join("\n"))), fields.length)
  })

  it("is written in follow.json as version 0.1.0 wrote it", () => {
    assert.deepStrictEqual(keyOf(Selection.ofSessions(nothing)), ["type LiveResponse"])
    assert.deepStrictEqual(keyOf({ ...each, status: ["Succeeded", "Failed"], machine: ["ws-9", machineId] }), [
      "filter scope eq 'Full'",
      `machine ${machineId}`,
      "machine ws-9",
      "requestor soc@contoso.com",
      "status Failed",
      "status Succeeded",
      "type Isolate",
    ])
  })

  const texts = Schema.Array(Schema.String)

  it.prop("is the same for any order of the values", [texts, texts, texts], ([status, machine, requestor]) => {
    const selection = { ...nothing, status, machine, requestor }
    const reversed = {
      ...nothing,
      status: status.toReversed(),
      machine: machine.toReversed(),
      requestor: requestor.toReversed(),
    }
    assert.deepStrictEqual(keyOf(reversed), keyOf(selection))
  })
})
