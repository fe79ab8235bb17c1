/** The manifest in memory. `packages/node/test/Manifest.test.ts` tests the one in a file. */
import * as Manifest from "@live-response/core/Manifest"
import { manifestSuite } from "./support/ManifestSuite.ts"

manifestSuite("Manifest.layerMemory", () => Manifest.layerMemory, "virtual")
