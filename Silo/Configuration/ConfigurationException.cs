namespace Actors.Silo.Configuration;

/// <summary>The silo cannot start with its configuration. The message names the key, the value and what is allowed.</summary>
internal sealed class ConfigurationException(string message) : Exception(message);
