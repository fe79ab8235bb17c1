// The reference of every public module, from its declarations: they have the types that the compiler inferred and the docstrings.
import ts from "typescript-5.9"
import { packages, read } from "./repository.mjs"
import { anchorOf, withoutTags, write } from "./page.mjs"
import { parse, sentenceOf } from "./docComment.mjs"

const placeOf = (name, module) => `reference/${name}/${module.toLowerCase()}`
const baseOf = (module) => module.replace(/^.*\//, "")

/** The docstring directly above a statement. */
const commentOf = (source, node) => {
  const ranges = ts.getLeadingCommentRanges(source.text, node.getFullStart()) ?? []
  return ranges.map(({ end, pos }) => source.text.slice(pos, end)).findLast((text) => text.startsWith("/**"))
}

/** The names that a statement declares. */
const declaredNames = (statement) =>
  ts.isVariableStatement(statement)
    ? statement.declarationList.declarations.map(({ name }) => name.text)
    : statement.name === undefined
      ? []
      : [statement.name.text]

const isExported = (statement) => statement.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword) ?? false

/** The names under which a module exports what it declares otherwise, such as `with_` as `with`. */
const renamed = (source) =>
  new Map(
    source.statements
      .filter(ts.isExportDeclaration)
      .flatMap(({ exportClause }) => (exportClause && ts.isNamedExports(exportClause) ? exportClause.elements : []))
      .map((specifier) => [
        (specifier.propertyName ?? specifier.name).text,
        { name: specifier.name.text, comment: commentOf(source, specifier) },
      ]),
  )

const dedent = (text) => text.replaceAll(/^ {4}/gm, "  ")

/** What a statement declares, as a reader would write it: `declare` is the compiler's. */
const codeOf = (source, statement) =>
  dedent(statement.getText(source))
    .replace(/^export declare /, "export ")
    .replace(/^declare /, "export ")

/** The base of a class is a constant of the compiler: its type says what the class is. */
const withBase = (source, code) =>
  code.replace(/extends (\w+_base)\b/, (all, base) => {
    const found = source.statements.find((each) => declaredNames(each).includes(base))
    return found === undefined ? all : `extends (${found.declarationList.declarations[0].type.getText(source)})`
  })

/** Everything that a module exports, by name: its declarations and its docstring. */
const exportsOf = (source) => {
  const aliases = renamed(source)
  const found = new Map()
  for (const statement of source.statements) {
    for (const declared of declaredNames(statement)) {
      const { comment, name } = isExported(statement)
        ? { comment: commentOf(source, statement), name: declared }
        : (aliases.get(declared) ?? {})
      if (name === undefined || declared.endsWith("_base")) continue
      const { codes = [], doc } = found.get(name) ?? {}
      const read = comment === undefined ? undefined : parse(comment)
      found.set(name, {
        doc: doc !== undefined && doc.description !== "" ? doc : read,
        codes: [...codes, withBase(source, codeOf(source, statement)).replace(` ${declared}:`, ` ${name}:`)],
      })
    }
  }
  return found
}

/** Reads a module: its own docstring, which the source has, and its exports. */
const readModule = (name, module) => {
  const path = `packages/${name}/dist/${module}.d.ts`
  const source = ts.createSourceFile(path, read(path), ts.ScriptTarget.Latest, true)
  const [comment] = /^\/\*\*[\s\S]*?\*\//.exec(read(`packages/${name}/src/${module}.ts`)) ?? []
  if (comment === undefined) throw new Error(`@live-response/${name}/${module} has no docstring.`)
  const exported = exportsOf(source)
  const bare = [...exported].filter(([, { doc }]) => doc?.category === undefined).map(([each]) => each)
  if (bare.length > 0)
    throw new Error(`@live-response/${name}/${module}: these exports have no @category: ${bare.join(", ")}.`)
  const sections = [...Map.groupBy(exported, ([, { doc }]) => doc.category)]
  return { name, module, doc: parse(comment), exported, sections, anchors: anchorsOf(sections) }
}

const titleOf = (category) => category[0].toUpperCase() + category.slice(1)

/** The anchor of each export: a heading whose anchor is taken gets a number, as of `metrics` in the section Metrics. */
const anchorsOf = (sections) => {
  const used = new Map()
  const next = (heading) => {
    const anchor = anchorOf(heading)
    const count = used.get(anchor) ?? 0
    used.set(anchor, count + 1)
    return count === 0 ? anchor : `${anchor}-${count}`
  }
  return new Map(
    sections.flatMap(([category, members]) => {
      next(titleOf(category))
      return members.map(([name]) => [name, next(name)])
    }),
  )
}

/** A link of a docstring: an export of the same module, a module, or the export of one. */
const linksOf = (modules, own) => (text) =>
  text.replaceAll(/\{@link ([\w.]+)\}/g, (_, target) => {
    if (own.exported.has(target)) return `[\`${target}\`](#${own.anchors.get(target)})`
    const [module, member] = target.split(".")
    const found = modules.find(
      (each) => baseOf(each.module) === module && (each.name === own.name || own.name !== "core"),
    )
    if (found === undefined || (member !== undefined && !found.exported.has(member)))
      throw new Error(
        `@live-response/${own.name}/${own.module} links to ${target}, which is neither an export of it nor a module.`,
      )
    const anchor = member ?? (found.exported.has(module) ? module : undefined)
    return `[\`${target}\`](/${placeOf(found.name, found.module)}/${anchor === undefined ? "" : `#${found.anchors.get(anchor)}`})`
  })

/** Text of a docstring as Markdown. Code keeps its angle brackets. */
const markdown = (withLinks, text) =>
  withLinks(text)
    .split(/(```[\s\S]*?```|`[^`]*`)/)
    .map((part, i) => (i % 2 === 0 ? withoutTags(part) : part))
    .join("")

/** A description may end with the title of its example. */
const hasTitle = /^\*\*Example\*\*[^\n]*$(?![\s\S])/m

const bodyOf = (withLinks, { description, examples, see }) =>
  [
    markdown(withLinks, description),
    ...examples.flatMap((example, i) =>
      i === 0 && hasTitle.test(description) ? [example] : [`**Example**\n\n${example}`],
    ),
    ...(see.length === 0 ? [] : [see.map((each) => `- See ${markdown(withLinks, each)}`).join("\n")]),
  ].join("\n\n")

const sectionOf = (withLinks, [name, { codes, doc }]) =>
  [`### ${name}`, bodyOf(withLinks, doc), `\`\`\`ts\n${codes.join("\n")}\n\`\`\``].join("\n\n")

const textOf = (modules, own) => {
  const { doc, module, name, sections } = own
  const withLinks = linksOf(modules, own)
  const specifier = `@live-response/${name}/${module}`
  return [
    bodyOf(withLinks, doc),
    `\`\`\`ts\nimport * as ${baseOf(module)} from "${specifier}"\n\`\`\``,
    ...sections.flatMap(([category, members]) => [
      `## ${titleOf(category)}`,
      ...members.map((member) => sectionOf(withLinks, member)),
    ]),
  ].join("\n\n")
}

/** One row a module. */
const indexOf = (modules) =>
  packages
    .flatMap(({ name }) => [
      `## @live-response/${name}`,
      [
        "| Module | |",
        "| --- | --- |",
        ...modules
          .filter((each) => each.name === name)
          .map(
            ({ doc, module }) =>
              `| [\`${module}\`](/${placeOf(name, module)}/) | ${withoutTags(sentenceOf(doc.description)).replaceAll("|", "\\|")} |`,
          ),
      ].join("\n"),
    ])
    .join("\n\n")

export const writeModules = () => {
  const modules = packages.flatMap(({ modules, name }) => modules.map((module) => readModule(name, module)))
  for (const own of modules) {
    write(placeOf(own.name, own.module), {
      title: baseOf(own.module),
      description: sentenceOf(own.doc.description),
      text: textOf(modules, own),
    })
  }
  write("reference/modules", {
    title: "Modules",
    description: "Every public module of the packages.",
    text: `Every public module of the two packages.\n\n${indexOf(modules)}`,
  })
}
