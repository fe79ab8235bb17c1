// The bill of materials of a binary, in CycloneDX's JSON: the packages in its bundle, and Node with the libraries in it.
import { Enums, Models, Serialize, Spec, Validation } from "@cyclonedx/cyclonedx-library"

const specification = Spec.Spec1dot6
const toJson = new Serialize.JsonSerializer(new Serialize.JSON.Normalize.Factory(specification))
const validator = new Validation.JsonStrictValidator(specification.version)

/** What `process.versions` has beside Node and the libraries in it. */
const notLibraries = new Set(["node", "modules", "napi"])

/**
 * The text of a bill of materials: of a program and its packages, with name, version, license and the SHA-512 of the archive, and
 * of the Node that runs it, by its `process.versions`. Without a time, the same parts give the same text.
 */
export function billOfMaterials({ hashOf, packages, program, time, versions }) {
  const bom = new Models.Bom()
  const root = packageComponent(Enums.ComponentType.Application, program)
  const node = new Models.Component(Enums.ComponentType.Platform, "node", generic("node", versions.node))
  const libraries = Object.entries(versions).filter(([name]) => !notLibraries.has(name))
  for (const [name, version] of libraries) {
    const library = new Models.Component(Enums.ComponentType.Library, name, generic(name, version))
    node.dependencies.add(library.bomRef)
    bom.components.add(library)
  }
  for (const one of packages) {
    const component = packageComponent(Enums.ComponentType.Library, one)
    component.hashes.set(Enums.HashAlgorithm["SHA-512"], hashOf(`${one.name}@${one.version}`))
    root.dependencies.add(component.bomRef)
    bom.components.add(component)
  }
  root.dependencies.add(node.bomRef)
  bom.components.add(node)
  bom.metadata.component = root
  bom.metadata.timestamp = time
  return `${toJson.serialize(bom, { sortLists: true, space: 2 })}\n`
}

/** What is wrong with a bill of materials by CycloneDX's strict schema, or null. */
export const problemsOf = (text) => validator.validate(text)

const generic = (name, version) => {
  const purl = `pkg:generic/${name}@${encodeURIComponent(version)}`
  return { version, purl, bomRef: purl }
}

function packageComponent(type, { license, name, version }) {
  const [group, base] = name.startsWith("@") ? name.split("/") : [undefined, name]
  const purl = `pkg:npm/${name.replace("@", "%40")}@${version}`
  const one = license.includes(" ") ? new Models.LicenseExpression(license) : new Models.SpdxLicense(license)
  const licenses = new Models.LicenseRepository([one])
  return new Models.Component(type, base, { group, version, purl, bomRef: purl, licenses })
}
