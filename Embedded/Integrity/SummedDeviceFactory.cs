using Tsavorite.core;

namespace Actors.Embedded.Integrity;

/// <summary>Creates Garnet's devices with checksums.</summary>
/// <param name="inner">Creates devices without checksums.</param>
/// <param name="baseName">The directory of the devices.</param>
/// <param name="directory">The directory of the checksums.</param>
internal sealed class SummedDeviceFactory(INamedDeviceFactory inner, string baseName, SummedDirectory directory) : INamedDeviceFactory
{
    public IDevice Get(FileDescriptor fileInfo) => new SummedDevice(inner.Get(fileInfo), directory);

    public uint GetSectorSize(FileDescriptor fileInfo) => inner.GetSectorSize(fileInfo);

    public IEnumerable<FileDescriptor> ListContents(string path) => inner.ListContents(path);

    public void Delete(FileDescriptor fileInfo)
    {
        var path = Path.GetFullPath(Path.Combine(baseName, fileInfo.directoryName));
        if (fileInfo.fileName is { } name) directory.Remove(Path.Combine(path, name + ".0"), () => inner.Delete(fileInfo));
        else directory.RemoveDirectory(path, () => inner.Delete(fileInfo));
    }

    /// <summary>Creates the factories.</summary>
    internal sealed class Creator(INamedDeviceFactoryCreator inner, SummedDirectory directory) : INamedDeviceFactoryCreator
    {
        public INamedDeviceFactory Create(string baseName) => new SummedDeviceFactory(inner.Create(baseName), baseName, directory);
    }
}
