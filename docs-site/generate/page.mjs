// Writes the pages that Starlight reads.
import { copyFileSync, mkdirSync, rmSync, writeFileSync } from "node:fs"
import { basename, dirname } from "node:path"
import { fileURLToPath } from "node:url"
import { root } from "./repository.mjs"

const content = fileURLToPath(new URL("../src/content/docs/", import.meta.url))

export const removeAll = () => rmSync(content, { recursive: true, force: true })

/** A page of the site: its name, its title, a sentence for search engines, and its Markdown. */
export const write = (name, { description, text, title }) => {
  const path = `${content}${name}.md`
  mkdirSync(dirname(path), { recursive: true })
  // JSON is YAML.
  const front = [
    `title: ${JSON.stringify(title)}`,
    ...(description === undefined ? [] : [`description: ${JSON.stringify(description)}`]),
  ]
  writeFileSync(path, ["---", ...front, "---", "", text.trim(), ""].join("\n"))
}

const images = new URL("../public/images/", import.meta.url)

/** Copies an image of the repository to the site, and returns its address there. */
export const copyImage = (path) => {
  const name = basename(path)
  mkdirSync(images, { recursive: true })
  copyFileSync(`${root}${path}`, new URL(name, images))
  return `/images/${name}`
}

/** The anchor of a heading, as GitHub and Starlight make it. */
export const anchorOf = (heading) =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
    .replaceAll(" ", "-")

/** Text in which Markdown sees no tag. */
export const withoutTags = (text) => text.replaceAll("<", "&lt;")
