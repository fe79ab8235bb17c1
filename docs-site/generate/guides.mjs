// The pages of the repository as pages of the site: a title in place of the first heading, and links within the site.
import { posix } from "node:path"
import { exists, names, packages, read } from "./repository.mjs"
import { copyImage, write } from "./page.mjs"

/** Where the site has what a page of the repository links to, or `undefined` where it has it not. */
const placeOf = (page, link) => {
  const [path, anchor] = link.split("#")
  const target = path === "" ? page : posix.join(posix.dirname(page), path)
  const name = names.get(target)
  if (name === undefined && !exists(target)) throw new Error(`${page} links to ${link}, which does not exist.`)
  if (name === undefined) return undefined
  return `${name === "index" ? "/" : `/${name}/`}${anchor === undefined ? "" : `#${anchor}`}`
}

/** Applies a change to the text outside of blocks of code. */
const outsideCode = (text, change) =>
  text
    .split(/(^```[\s\S]*?^```$)/m)
    .map((part, i) => (i % 2 === 0 ? change(part) : part))
    .join("")

/** Copies an image to the site, and returns its address there. */
const imageOf = (page, link) => {
  const path = posix.join(posix.dirname(page), link)
  if (!exists(path)) throw new Error(`${page} shows ${link}, which does not exist.`)
  return copyImage(path)
}

/** Links of the repository become links of the site, and what the site does not have becomes text. */
const withLinks = (page, text) =>
  text.replaceAll(/(!?)\[([^\]]*)\]\((?!https?:)([^)\s]+)\)/g, (_, mark, label, link) => {
    if (mark !== "") return `![${label}](${imageOf(page, link)})`
    const place = placeOf(page, link)
    return place === undefined ? label : `[${label}](${place})`
  })

/** The name of a module leads to its reference. */
const withModules = (text) =>
  text.replaceAll(/(?<!\[)`@live-response\/(core|node)\/((?:testing\/)?[A-Z]\w*)`/g, (code, name, module) =>
    packages.some((each) => each.name === name && each.modules.includes(module))
      ? `[${code}](/reference/${name}/${module.toLowerCase()}/)`
      : code,
  )

export const writeGuides = () => {
  for (const [page, name] of names) {
    const text = read(page)
    const [heading, title] = /^# (.*)\n/m.exec(text) ?? []
    if (heading === undefined) throw new Error(`${page} has no heading of the first level.`)
    const body = outsideCode(text.replace(heading, ""), (part) => withModules(withLinks(page, part)))
    write(name, { title: title.replaceAll("`", ""), text: body })
  }
}
