// Starlight: search, dark mode, keyboards and screen readers work without code of our own. Nothing is from another host.
import starlight from "@astrojs/starlight"
import { defineConfig } from "astro/config"
import linksValidator from "starlight-links-validator"
import { groups } from "./generate/repository.mjs"

const pages = (group) => groups[group].map(([, name]) => name)

const modules = (name) => ({
  label: `@live-response/${name}`,
  collapsed: true,
  items: [{ autogenerate: { directory: `reference/${name}` } }],
})

/** A table that is wider than the page scrolls, and a keyboard must reach it for that. */
const reachTables = `for (const table of document.querySelectorAll("main table"))
  if (table.scrollWidth > table.clientWidth) table.tabIndex = 0`

export default defineConfig({
  devToolbar: { enabled: false },
  integrations: [
    starlight({
      title: "Live Response",
      description: "Downloads the results of Microsoft Defender for Endpoint live response.",
      customCss: ["./src/styles/site.css"],
      head: [{ tag: "script", attrs: { type: "module" }, content: reachTables }],
      // Types of declarations are long lines.
      expressiveCode: { defaultProps: { wrap: true } },
      pagefind: true,
      plugins: [linksValidator()],
      sidebar: [
        { label: "Start", link: "/" },
        { label: "Tasks", items: pages("tasks") },
        {
          label: "Commands",
          collapsed: true,
          items: ["reference/commands", { autogenerate: { directory: "reference/commands" } }],
        },
        { label: "Reference", items: pages("reference") },
        { label: "Modules", items: ["reference/modules", modules("core"), modules("node")] },
        { label: "Project", collapsed: true, items: pages("project") },
      ],
    }),
  ],
})
