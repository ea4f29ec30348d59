export function makeForeignRoot(architecture: string, folder: string): { root: string; node: string };
