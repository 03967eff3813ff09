using Actors.Silo;

return await SiloProgram.RunAsync(args);
