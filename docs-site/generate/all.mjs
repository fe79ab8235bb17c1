// Writes all pages. The packages must have been compiled: the reference of modules is read from their declarations.
import { writeCommands } from "./commands.mjs"
import { writeGuides } from "./guides.mjs"
import { writeModules } from "./modules.mjs"
import { removeAll } from "./page.mjs"

removeAll()
writeGuides()
writeModules()
await writeCommands()
