"""Protocol and cell file to plan: steps laid flat, fitted to a potentiostat, held to bounds."""
