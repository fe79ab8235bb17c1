/** A peer of `bench:bytes`: a plain undici pipeline. Takes the base, the directory, how many files, and how many at once. */
import { createWriteStream } from "node:fs"
import { pipeline } from "node:stream/promises"
import Undici from "@effect/platform-node/Undici"

const [base = "", directory = "", count = "1", concurrency = "8"] = process.argv.slice(2)

let next = 0
const work = async () => {
  while (next < Number(count)) {
    const name = next++
    const { body } = await Undici.request(`${base}/${name}`)
    await pipeline(body, createWriteStream(`${directory}/${name}`))
  }
}
await Promise.all(Array.from({ length: Number(concurrency) }, work))
