/**
 * Node layers for `@live-response/core`: each module of this package by its name.
 *
 * @since 0.1.0
 */
export * as NodeCredential from "./NodeCredential.ts"
export * as NodeDirectFileSystem from "./NodeDirectFileSystem.ts"
export * as NodeDirectoryLock from "./NodeDirectoryLock.ts"
export * as NodeDiskSpace from "./NodeDiskSpace.ts"
export * as NodeEnvironment from "./NodeEnvironment.ts"
export * as NodeHasher from "./NodeHasher.ts"
export * as NodeLiveResponse from "./NodeLiveResponse.ts"
export * as NodeObjectStore from "./NodeObjectStore.ts"
export * as NodePlatform from "./NodePlatform.ts"
export * as NodeQuotaStore from "./NodeQuotaStore.ts"
export * as NodeTransport from "./NodeTransport.ts"
