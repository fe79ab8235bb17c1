/**
 * Files of the library in words.
 */
import * as LibraryFile from "@live-response/core/LibraryFile"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as ActionText from "./ActionText.ts"
import { printable, printableJson } from "./Printable.ts"
import type * as Table from "./Table.ts"

export const columns: ReadonlyArray<Table.Column<LibraryFile.LibraryFile>> = [
  { title: "NAME", width: 30, leastWidth: 16, text: ({ fileName }) => printable(fileName) },
  { title: "UPDATED", width: 28, text: ({ created, updated }) => ActionText.instantOf(updated ?? created) },
  { title: "BY", width: 20, text: ({ createdBy = "" }) => printable(createdBy) },
  { title: "SHA-256", width: 64, text: ({ sha256 = "" }) => printable(sha256) },
  {
    title: "DESCRIPTION",
    width: 20,
    isEssential: true,
    text: ({ description = "", parametersDescription }) =>
      printable(parametersDescription === undefined ? description : `${description} (${parametersDescription})`),
  },
]

const encode = Schema.encodeEffect(Schema.fromJsonString(LibraryFile.LibraryFile))

export const toJson = (file: LibraryFile.LibraryFile) => Effect.map(Effect.orDie(encode(file)), printableJson)
