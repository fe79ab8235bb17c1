/** Fuzzes lists of targets, and texts on their way to a terminal or a spreadsheet. */
import * as TextEncoding from "@live-response/core/TextEncoding"
import * as Effect from "effect/Effect"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as Cell from "../src/output/SpreadsheetCell.ts"
import * as Machines from "../src/input/MachineArguments.ts"
import { printable, printableJson, printableText } from "../src/output/Printable.ts"
import * as Targets from "../src/input/Targets.ts"
import * as Mutator from "./Mutator.ts"
import { isPlain, promise, type Target } from "./Target.ts"

const id = "988cc94e-7a8f-4b28-ab65-54970c5d5018"

const lists: Target = {
  name: "lists",
  corpus: [
    `${id}:0\n${id}:1-3\n# a comment\n\n${id}\n`,
    `machineActionId,index\n${id},0\n"${id}","1"\n`,
    `#TYPE x\r\nsep=;\r\nMachineActionId;Index\r\n${id};0\r\n`,
    `{"machineActionId":"${id}","index":0}\n{"machineActionId":"${id}","index":"1"}\n`,
    Buffer.from(`\uFEFFmachineId\tname\r\n${"a".repeat(40)}\tws-1.contoso.com\r\n`, "utf16le"),
  ],
  run: (input) =>
    Effect.gen(function* () {
      const elements = yield* Effect.result(Stream.runCollect(Targets.fromList("-")))
      const machines = yield* Effect.result(Stream.runCollect(Machines.fromList("-")))
      for (const result of [elements, machines]) {
        if (result._tag === "Failure") {
          yield* promise(isPlain(result.failure.message), `an error says ${JSON.stringify(result.failure.message)}`)
          continue
        }
        for (const element of result.success) {
          if (typeof element === "string" || !("message" in element)) continue
          yield* promise(isPlain(element.message), `a broken line says ${JSON.stringify(element.message)}`)
        }
      }
    }).pipe(Effect.provide(Stdio.layerTest({ stdin: Stream.fromIterable(Mutator.piecesOf(input)) }))),
}

/** The cells that a spreadsheet may read: with any delimiter, with or without the quotes around a text. */
const cellsOf = (text: string): ReadonlyArray<string> =>
  [",", ";", "\t"].flatMap((delimiter) => text.split(delimiter)).map((cell) => cell.replace(/^[\s"]+/, ""))

const isFormula = (cell: string) => /^[=+\-@＝＋－＠]/.test(cell) && !/^-?\d+(\.\d+)?[\s"]*$/.test(cell)

const cells: Target = {
  name: "cells",
  corpus: ["=1+1", "a;=cmd|' /C calc'!A0", "x\t@SUM(A1)", '"=a', "-5", "3.5", "a,b", "+49 30 1", "＝1", " =1", "a\n=b"],
  run: (input) =>
    Effect.suspend(() => {
      const cell = Cell.cell(Buffer.from(input).toString())
      return Effect.andThen(
        promise(isPlain(cell), "a cell has control characters"),
        promise(!cellsOf(cell).some(isFormula), `${JSON.stringify(cell)} contains a formula`),
      )
    }),
}

const terminal: Target = {
  name: "terminal",
  corpus: ["plain\r\ntext\t🙂", "\u001b[31mred\u001b[0m", "\u009b2J\u202Eabc\u2028", "\u001b]0;title\u0007\r"],
  run: (input) =>
    Effect.gen(function* () {
      const pieces = Stream.fromIterable(Mutator.piecesOf(input))
      const text = Buffer.from(input).toString()
      yield* promise(isPlain(printable(text)), "a line has control characters")
      const shown = yield* Stream.mkString(printableText(TextEncoding.decodeStream(pieces)))
      yield* promise(isPlain(shown, "\t\n"), "a text has control characters")
      const json = printableJson(JSON.stringify({ text }))
      yield* promise(isPlain(json), "the JSON has control characters")
      yield* promise(JSON.stringify(JSON.parse(json)) === JSON.stringify({ text }), "the JSON has another meaning")
    }),
}

export const texts: ReadonlyArray<Target> = [lists, cells, terminal]
