export interface ImageParts {
  name: string;
  architecture: string;
  layers: Buffer[];
  config: object;
  others?: Buffer[];
}
export function writeArchive(image: ImageParts): Buffer;
