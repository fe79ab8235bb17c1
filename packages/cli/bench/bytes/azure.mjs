/** A peer of `bench:bytes`: Azure's own library. Takes the base, the directory, how many files, and how many at once. */
import { createRequire } from "node:module"

const [base = "", directory = "", count = "1", concurrency = "8"] = process.argv.slice(2)

// It is found through NODE_PATH as well, which imports ignore.
const { BlobClient } = createRequire(import.meta.url)("@azure/storage-blob")

let next = 0
const work = async () => {
  while (next < Number(count)) {
    const name = next++
    await new BlobClient(`${base}/account/container/${name}`).downloadToFile(`${directory}/${name}`)
  }
}
await Promise.all(Array.from({ length: Number(concurrency) }, work))
