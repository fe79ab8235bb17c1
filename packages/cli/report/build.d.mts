/** The script and the style of the page of a report, as JSON. */
export declare const build: () => Promise<string>
